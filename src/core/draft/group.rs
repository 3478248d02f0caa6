//! PURE: the forms that the URLs of a host come to, and those of them that are one.

use std::{collections::BTreeMap, fmt};

use super::{
    shape::{Ending, Token},
    tree::{Bag, Node},
    words,
};

/// What the URLs of a page type have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Form {
    path: Vec<Token>,
    query: String,
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for token in &self.path {
            write!(f, "/{token}")?;
        }
        if self.path.is_empty() {
            f.write_str("/")?;
        }
        match self.query.as_str() {
            "" => Ok(()),
            query if query.contains('=') => write!(f, "?{query}"),
            query => write!(f, "?{query}={{...}}"),
        }
    }
}

impl Form {
    /// The words of it, for a name: `products`, `home`.
    pub(super) fn words(&self) -> String {
        let mut words: Vec<String> = Vec::new();
        for token in &self.path {
            match token {
                Token::Word(word, _) => words.push(word.clone()),
                Token::Script(name) => words.push(name.clone()),
                Token::Namespace(name) | Token::Kind(name, _) => words.push(name.to_lowercase()),
                Token::Date => words.push("dated".to_owned()),
                Token::Handle => words.push("by-name".to_owned()),
                Token::Locale(name) => words.push(name.clone()),
                Token::Version | Token::Id(_) | Token::SlugId(_) | Token::Slug(_) => {}
            }
        }
        if !self.query.is_empty() {
            words.push(self.query.clone());
        }
        if words.is_empty() {
            let home = self.path.is_empty();
            words.push(if home { "home" } else { "page" }.to_owned());
        }
        let plain = |c: char| {
            if c.is_alphanumeric() || c == '.' {
                c
            } else {
                '-'
            }
        };
        words.join("-").chars().map(plain).collect()
    }
}

/// The forms of a host, with their URLs.
pub(super) fn forms(root: Node) -> BTreeMap<Form, Bag> {
    let mut forms = BTreeMap::new();
    collect(root, &mut Vec::new(), &mut forms);
    // Each rule sees what those before it made.
    for rule in [
        number_behind_id,
        name_beside_id,
        way_to_it,
        argument_of_script,
    ] {
        let there: Vec<Form> = forms.keys().cloned().collect();
        for form in there {
            if let Some(path) = rule(&form.path, &|path: &[Token]| {
                let is = |known: &&Form| known.path == path && known.query == form.query;
                // Forms are ordered by path first.
                let from = Form {
                    path: path.to_vec(),
                    query: form.query.clone(),
                };
                forms
                    .range(from..)
                    .next()
                    .map(|(known, _)| known)
                    .filter(is)
                    .is_some()
            }) && let Some(bag) = forms.remove(&form)
            {
                let query = form.query;
                forms.entry(Form { path, query }).or_default().absorb(bag);
            }
        }
    }
    forms
}

fn collect(node: Node, path: &mut Vec<Token>, forms: &mut BTreeMap<Form, Bag>) {
    for (query, bag) in node.here {
        let path = plain(path);
        forms.entry(Form { path, query }).or_default().absorb(bag);
    }
    for (token, child) in node.children {
        path.push(token);
        collect(child, path, forms);
        path.pop();
    }
}

/// A path without the levels that only say where a thing is filed.
fn plain(path: &[Token]) -> Vec<Token> {
    const NAME: Token = Token::Slug(Ending::None);
    let mut plain: Vec<Token> = Vec::new();
    let mut is_filed = false;
    for (at, token) in path.iter().enumerate() {
        let is_last = at + 1 == path.len();
        match plain.last() {
            // Below a date all is an article, however it is filed.
            Some(Token::Date) if !is_last => continue,
            Some(&NAME) if is_filed && *token == NAME => continue,
            _ => {}
        }
        is_filed = match token {
            Token::Word(word, _) => words::has_levels(word),
            &NAME => is_filed,
            _ => false,
        };
        plain.push(token.clone());
    }
    let is_page = plain.last() == Some(&Token::Slug(Ending::Page));
    let names = plain.iter().filter(|token| **token == NAME).count();
    if is_page && names > 1 && names + 1 == plain.len() {
        plain.drain(1..names);
    }
    plain
}

type Known<'a> = &'a dyn Fn(&[Token]) -> bool;

/// A number behind an id is a place in the page: `/t/name/1234/17`.
fn number_behind_id(path: &[Token], is_known: Known<'_>) -> Option<Vec<Token>> {
    let [before @ .., Token::Id(_)] = path else {
        return None;
    };
    let is_id = matches!(before.last(), Some(Token::Id(_)));
    (is_id && is_known(before)).then(|| before.to_vec())
}

/// A name before or behind an id is there for people: `/itm/name/1234`, `/questions/1234/name`.
fn name_beside_id(path: &[Token], is_known: Known<'_>) -> Option<Vec<Token>> {
    let (before, id) = match path {
        [before @ .., Token::Slug(_), id @ Token::Id(_)]
        | [before @ .., id @ Token::Id(_), Token::Slug(_)] => (before, id),
        _ => return None,
    };
    let bare = [before, std::slice::from_ref(id)].concat();
    let is_named = before.last().is_some_and(Token::is_literal);
    (is_named && is_known(&bare)).then_some(bare)
}

/// By which way a page is reached makes no other page: `/collections/summer/products/hat`.
fn way_to_it(path: &[Token], is_known: Known<'_>) -> Option<Vec<Token>> {
    let at = path.iter().rposition(Token::is_literal)?;
    let before = path[..at].last()?;
    let rest = &path[at..];
    let is_way = !before.is_literal() && rest.len() > 1;
    (is_way && is_known(rest)).then(|| rest.to_vec())
}

/// `/showthread.php/123-title` is `/showthread.php?t=123`.
fn argument_of_script(path: &[Token], is_known: Known<'_>) -> Option<Vec<Token>> {
    match path {
        [before @ .., Token::Id(_) | Token::SlugId(_)]
            if matches!(before.last(), Some(Token::Script(_))) && is_known(before) =>
        {
            Some(before.to_vec())
        }
        _ => None,
    }
}
