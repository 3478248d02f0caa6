//! PURE: which names in a tree of paths are a type's, and which are a thing's: what varies among
//! its siblings is a wildcard.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    shape::{Ending, Token},
    tree::{Node, ending},
    words,
};

/// How many forms of what lies below a name are looked at.
const FORMS_MAX: usize = 64;
/// How deep.
const FORM_DEPTH: usize = 4;
/// From how many names on the plainest form makes them alike.
const MANY: usize = 3;
/// How many names a position below things may have for a repeated one to be a type's.
const FEW: usize = 8;

/// What stands before a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Nothing, a locale or a version.
    Root,
    /// A name that stays.
    Name,
    /// Of these, one of what is arranged in levels.
    Levels,
    /// Names that vary.
    Thing,
    /// An id: how many there are is not known.
    Id,
    Date,
}

/// Decides for a whole host.
pub(super) fn settle(root: &mut Node) {
    join_locales(root);
    settle_at(root, Place::Root);
}

/// Two languages of a page are one type.
fn join_locales(root: &mut Node) {
    let is_locale = |token: &&Token| matches!(token, Token::Locale(_));
    let locales: Vec<_> = root.children.keys().filter(is_locale).cloned().collect();
    let is_shared = |locale: &Token| {
        let below = root.children[locale].children.keys();
        below
            .into_iter()
            .any(|token| token.is_literal() && root.children.contains_key(token))
    };
    if locales.len() > 1 || locales.iter().any(is_shared) {
        for locale in locales {
            if let Some(node) = root.children.remove(&locale) {
                // It passes the root already.
                root.count -= node.count;
                root.absorb(node);
            }
        }
    }
}

fn settle_at(node: &mut Node, place: Place) {
    join_hubs(node);
    for token in varying(node, place) {
        let slug = Token::Slug(ending(&token));
        node.rename(&token, slug);
    }
    join_ids(node, place);
    for (token, child) in &mut node.children {
        settle_at(child, place_below(token));
    }
}

fn place_below(token: &Token) -> Place {
    match token {
        Token::Locale(_) | Token::Version => Place::Root,
        Token::Word(word, _) if words::has_levels(word) => Place::Levels,
        token if token.is_literal() => Place::Name,
        Token::Date => Place::Date,
        Token::Id(_) | Token::SlugId(_) => Place::Id,
        _ => Place::Thing,
    }
}

/// `women.html` beside `women/tops.html` is a page as those below it.
fn join_hubs(node: &mut Node) {
    let hubs: Vec<_> = node
        .children
        .iter()
        .filter_map(|(token, child)| match token {
            Token::Word(word, Ending::Page) if child.is_leaf() => Some(word.clone()),
            _ => None,
        })
        .collect();
    for word in hubs {
        let page = Token::Word(word.clone(), Ending::Page);
        let directory = Token::Word(word, Ending::None);
        let has_pages = |node: &Node| {
            let mut below = node.children.keys();
            below.any(|token| ending(token) == Ending::Page)
        };
        if node.children.get(&directory).is_some_and(has_pages)
            && let Some(hub) = node.children.remove(&page)
            && let Some(directory) = node.children.get_mut(&directory)
        {
            directory.count += hub.count;
            directory.adopt(Token::Slug(Ending::Page), hub);
        }
    }
}

/// The names that stand for things.
fn varying(node: &Node, place: Place) -> Vec<Token> {
    let alike = alike(node, place);
    let has_other_leaves = node.children.iter().any(|(token, child)| {
        child.is_leaf()
            && match token {
                Token::Word(word, _) => !words::is_type(word),
                token => matches!(token, Token::Slug(_)),
            }
    });
    let names = node.children.keys().filter(|token| match token {
        Token::Word(word, _) => !words::is_type(word),
        _ => false,
    });
    let is_crowded = names.count() > FEW;
    let varies = |token: &Token, word: &str, child: &Node| {
        if alike.contains(token) {
            return true;
        }
        let is_repeated = child.merged > 1 && child.merged * 2 >= node.merged;
        let is_type = words::is_type(word);
        match place {
            Place::Date | Place::Levels => true,
            Place::Root if is_type => false,
            Place::Root => child.is_leaf() && !child.is_asked(),
            Place::Name if is_type => child.is_leaf() && has_other_leaves,
            Place::Name => true,
            Place::Thing | Place::Id if is_type => {
                child.is_leaf() && has_other_leaves && !is_repeated
            }
            Place::Thing => !is_repeated || word.contains(['-', '_', ' ', '+']),
            Place::Id => {
                let is_frequent = child.count > 1 && child.count * 4 >= node.count;
                is_crowded || !is_frequent || word.contains(['-', '_', ' ', '+'])
            }
        }
    };
    let names = node.children.iter().filter(|(token, child)| match token {
        Token::Word(word, _) => varies(token, word, child),
        // A kind that comes once is a name like others.
        Token::Kind(..) => child.count < 2,
        _ => false,
    });
    names.map(|(token, _)| token.clone()).collect()
}

/// Names that have alike things below them: sections, regions, owners.
fn alike(node: &Node, place: Place) -> BTreeSet<Token> {
    if matches!(place, Place::Date | Place::Levels) {
        return BTreeSet::new();
    }
    let mut forms_of: BTreeMap<&Token, BTreeSet<String>> = BTreeMap::new();
    let (mut number, mut number_of_names): (BTreeMap<String, usize>, BTreeMap<String, usize>) =
        Default::default();
    for (token, child) in &node.children {
        let Token::Word(word, _) = token else {
            continue;
        };
        let mut forms = BTreeSet::new();
        add_forms(child, "", 0, &mut forms);
        for form in &forms {
            *number.entry(form.clone()).or_default() += 1;
            if !words::is_type(word) {
                *number_of_names.entry(form.clone()).or_default() += 1;
            }
        }
        forms_of.insert(token, forms);
    }
    let is_alike = |token: &Token, forms: &BTreeSet<String>| {
        let is_type = matches!(token, Token::Word(word, _) if words::is_type(word));
        forms.iter().any(|form| {
            let names = number_of_names.get(form).copied().unwrap_or_default();
            match (place, is_type) {
                // A thing may be called as a type is: `blogs/news` beside `blogs/journal`.
                (Place::Name, _) => return is_type && names > 0,
                // A section too; a date below tells it.
                (_, true) => return form.starts_with('d') && number[form] > 1,
                (_, false) => {}
            }
            names > 1 && tells(form) || names >= MANY && form == "s"
        })
    };
    let alike = forms_of
        .iter()
        .filter(|(token, forms)| is_alike(token, forms));
    alike.map(|(token, _)| (*token).clone()).collect()
}

/// Whether a form says that a name above it is one of many: not so an id, whose type the word
/// before it names, nor a single name.
fn tells(form: &str) -> bool {
    let (first, rest) = form.split_once('/').unwrap_or((form, ""));
    match first {
        "n" | "n.h" => false,
        "k" | "k.h" | "d" | "w.h" => true,
        _ => !rest.is_empty(),
    }
}

/// The forms of what ends below: `w` names, `n` ids, `k` names with an id, `d` dates, `s` long
/// names, `.h` pages, and words of types as they are.
fn add_forms(node: &Node, before: &str, depth: usize, forms: &mut BTreeSet<String>) {
    if depth > 0 && !node.here.is_empty() {
        forms.insert(before.to_owned());
    }
    if depth >= FORM_DEPTH {
        return;
    }
    for (token, child) in &node.children {
        if forms.len() >= FORMS_MAX {
            return;
        }
        let (letter, is_long) = match token {
            Token::Word(word, _) if words::is_type(word) => (word.as_str(), false),
            Token::Word(..) | Token::Handle => ("w", false),
            Token::Slug(_) => ("w", true),
            Token::Script(name) | Token::Namespace(name) | Token::Kind(name, _) => {
                (name.as_str(), false)
            }
            Token::Locale(_) | Token::Version => ("v", false),
            Token::Date => ("d", false),
            Token::Id(_) => ("n", false),
            Token::SlugId(_) => ("k", false),
        };
        let page = match ending(token) {
            Ending::None => "",
            Ending::Page => ".h",
        };
        if is_long && depth == 0 && !child.here.is_empty() {
            forms.insert(format!("s{page}"));
        }
        let slash = if before.is_empty() { "" } else { "/" };
        let form = format!("{before}{slash}{letter}{page}");
        add_forms(child, &form, depth + 1, forms);
    }
}

/// What differs in form and is the same: few numbers among names, ids at the end of some names.
fn join_ids(node: &mut Node, place: Place) {
    for ending in [Ending::None, Ending::Page] {
        let slug = Token::Slug(ending);
        let leaf = |token: &Token| {
            let child = node.children.get(token)?;
            child.is_leaf().then_some(child.count)
        };
        let (Some(slugs), id) = (leaf(&slug), Token::Id(ending)) else {
            continue;
        };
        let is_rare = leaf(&id).is_some_and(|ids| ids.saturating_mul(3) <= slugs);
        let with_id = Token::SlugId(ending);
        let is_mixed = place == Place::Name
            && leaf(&with_id).is_some_and(|count| count.saturating_mul(3) <= slugs);
        if is_rare {
            node.rename(&id, slug.clone());
        }
        if is_mixed {
            node.rename(&with_id, slug);
        }
    }
}
