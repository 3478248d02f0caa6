//! PURE: a list of URLs as page types: which URLs one parser can read, from their form alone.
//!
//! Each URL is read on its own first (`shape`), then the paths of a host are laid side by side
//! (`tree`, `settle`), last the forms that they come to (`group`).

mod group;
mod settle;
mod shape;
mod tree;
mod words;

use std::collections::BTreeMap;

use crate::core::spec::{NAME_MAX_CHARS, URLS_MAX};
use group::Form;
pub use shape::Unfit;
use tree::{Bag, Node};

/// How many held-out pages a type is given.
const CHECKS: usize = 2;

/// URLs of which the page types are wanted. Takes memory for the forms that they have, not for
/// each of them.
#[derive(Debug, Default)]
pub struct Draft {
    hosts: BTreeMap<String, Node>,
    urls: u64,
}

/// Pages that one parser can read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageType {
    /// Their host, without `www.`.
    pub host: String,
    /// What their URLs have in common: `/products/{name}`.
    pub form: String,
    /// A name for a job, which no other type of the list has.
    pub name: String,
    /// How many URLs of the list are of it.
    pub urls: u64,
    /// Up to three, as unlike as can be.
    pub examples: Vec<String>,
    /// Up to two others.
    pub checks: Vec<String>,
    /// Jobs that have a page of it already, a few of them.
    pub jobs: Vec<String>,
}

impl Draft {
    /// Takes a URL in.
    ///
    /// # Errors
    /// Why no parser can be made from it; it counts for nothing then.
    pub fn add(&mut self, url: &str) -> Result<(), Unfit> {
        self.put(url, None)?;
        self.urls += 1;
        Ok(())
    }

    /// Takes in that a job has this page already. Hosts of which the list has no URL are passed
    /// over, so it comes after the list.
    ///
    /// # Errors
    /// Why it is not a page.
    pub fn know(&mut self, job: &str, url: &str) -> Result<(), Unfit> {
        let shape = shape::read(url)?;
        if let Some(host) = self.hosts.get_mut(&shape.host) {
            host.put(shape, Some(job));
        }
        Ok(())
    }

    fn put(&mut self, url: &str, job: Option<&str>) -> Result<(), Unfit> {
        let shape = shape::read(url)?;
        let host = self.hosts.entry(shape.host.clone()).or_default();
        host.put(shape, job);
        Ok(())
    }

    /// How many URLs were taken in.
    pub const fn urls(&self) -> u64 {
        self.urls
    }

    /// How many hosts they have.
    pub fn hosts(&self) -> usize {
        self.hosts.len()
    }

    /// The page types, by host and form.
    pub fn page_types(self) -> Vec<PageType> {
        let mut types = Vec::new();
        for (host, mut root) in self.hosts {
            settle::settle(&mut root);
            let forms = group::forms(root).into_iter();
            let listed = forms.filter(|(_, bag)| bag.count > 0);
            types.extend(listed.map(|(form, bag)| page_type(&host, &form, bag)));
        }
        types
    }
}

fn page_type(host: &str, form: &Form, bag: Bag) -> PageType {
    let mut pages: Vec<_> = bag.pages.into_values().collect();
    let mut examples: Vec<String> = Vec::new();
    while examples.len() < URLS_MAX && !pages.is_empty() {
        // One page is better judged than shown: with few, one is held out.
        if examples.len() == URLS_MAX - 1 && pages.len() == 1 {
            break;
        }
        let unlike = |page: &String| examples.iter().map(|example| distance(example, page)).min();
        let furthest = (0..pages.len()).max_by_key(|at| (unlike(&pages[*at]), pages.len() - at));
        examples.push(pages.swap_remove(furthest.unwrap_or_default()));
    }
    pages.sort_by_key(|page| tree::page_hash(page));
    pages.truncate(CHECKS);
    PageType {
        host: host.to_owned(),
        form: form.to_string(),
        name: name(host, form),
        urls: bag.count,
        examples,
        checks: pages,
        jobs: bag.jobs.into_iter().collect(),
    }
}

/// How many parts of two addresses differ.
fn distance(one: &str, other: &str) -> usize {
    let parts = |url: &str| -> Vec<String> {
        let parts = url.split(['/', '?', '&']);
        parts.map(str::to_owned).collect()
    };
    let (one, other) = (parts(one), parts(other));
    let same = one.iter().zip(&other).filter(|(a, b)| a == b).count();
    one.len().max(other.len()) - same
}

/// `shop.example-products`; not unique yet where a form is long or has no words.
fn name(host: &str, form: &Form) -> String {
    let words = form.words();
    let text = format!("{host}-{words}");
    // Room for a number behind it.
    text.chars().take(NAME_MAX_CHARS - 8).collect()
}

/// Numbers the names that come twice or are taken.
pub fn make_unique(types: &mut [PageType], mut is_taken: impl FnMut(&str) -> bool) {
    let mut used = std::collections::HashSet::new();
    let mut next: BTreeMap<String, u64> = BTreeMap::new();
    for page_type in types {
        let mut name = page_type.name.clone();
        while used.contains(&name) || is_taken(&name) {
            let number = next.entry(page_type.name.clone()).or_insert(1);
            *number += 1;
            name = format!("{}-{number}", page_type.name);
        }
        used.insert(name.clone());
        page_type.name = name;
    }
}

#[cfg(test)]
mod tests;
