//! PURE: the job file of page types.

use crate::{
    cli::output::toml_string,
    core::{draft::PageType, text::escaped},
    present::format::{count, quoted},
};

const HEAD: &str = "\
# Page types of a list of URLs, grouped by the form of their URLs alone: look whether the pages
# of each are alike, delete what you do not need, and see `parserd plan` before you load it. Each
# job is one parser, paid for. Without `fields` the service infers them by itself.

";

const FIELDS: &str = "# fields = [{ name = \"title\", description = \"what the page is called\", type = \"string\" }]\n";

/// The file's text.
pub(super) fn text(types: &[PageType]) -> String {
    let mut text = HEAD.to_owned();
    for page_type in types {
        let PageType {
            host, form, urls, ..
        } = page_type;
        let urls = count(usize::try_from(*urls).unwrap_or(usize::MAX), "URL");
        let what = escaped(&format!("{host}{form}: {urls}"));
        if !page_type.jobs.is_empty() {
            let jobs: Vec<_> = page_type.jobs.iter().map(|job| quoted(job)).collect();
            text += &format!("# {what}, covered by {}\n\n", jobs.join(", "));
            continue;
        }
        text += &format!("# {what}\n");
        if page_type.checks.is_empty() && page_type.examples.len() == 1 {
            text += "# It has one page only: is that worth a parser?\n";
        }
        text += &format!("[[jobs]]\nname = {}\n", toml_string(&page_type.name));
        text += &array("urls", &page_type.examples);
        if !page_type.checks.is_empty() {
            text += &array("check_urls", &page_type.checks);
        }
        text += FIELDS;
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

fn array(key: &str, urls: &[String]) -> String {
    let lines = urls
        .iter()
        .map(|url| format!("    {},\n", toml_string(url)));
    format!("{key} = [\n{}]\n", lines.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        core::draft::{Draft, make_unique},
        manifest::{Format, JobFile, Kinds, Tally},
    };

    #[test]
    fn the_file_is_read_as_jobs_with_pages_that_are_held_out() {
        let mut draft = Draft::default();
        for n in 0..9 {
            draft
                .add(&format!("https://a.example/products/hat-{n}?q=\"\\'é"))
                .unwrap();
            draft
                .add(&format!("https://[::1]:8443/t/x/{n}0000"))
                .unwrap();
            draft
                .add(&format!(
                    "https://a.example/shop/%00%1b[31m%22x{n}.php?action=a"
                ))
                .unwrap();
        }
        draft.add("https://b.example/").unwrap();
        draft.add("https://c.example/posts/a-long-name").unwrap();
        draft
            .know("old", "https://c.example/posts/another-long-name")
            .unwrap();
        let mut types = draft.page_types();
        make_unique(&mut types, |name| name == "b.example-home");
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("jobs.toml");
        let text = text(&types);
        std::fs::write(&path, &text).unwrap();
        let read = JobFile::check(&path, Some(Format::Toml), Kinds::Any, &Tally::default());
        let read = read.unwrap_or_else(|error| panic!("{error}: {text}"));
        let specs: Vec<_> = read.jobs().map(|job| job.unwrap().value).collect();
        let wanted = types.iter().filter(|it| it.jobs.is_empty());
        assert_eq!(specs.len(), wanted.count(), "{text}");
        let product = specs
            .iter()
            .find(|it| it.name == "a.example-products")
            .unwrap();
        assert_eq!(product.urls.len(), 3);
        let checks = product.check_urls.as_ref().unwrap();
        assert_eq!(checks.len(), 2);
        assert!(checks.iter().all(|url| !product.urls.contains(url)));
        assert!(
            specs.iter().any(|it| it.name == "b.example-home-2"),
            "{text}"
        );
        assert!(text.contains("covered by \"old\""), "{text}");
    }
}
