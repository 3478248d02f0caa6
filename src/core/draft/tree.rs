//! PURE: the paths of a host as a tree, of bounded size however many there are.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    shape::{Ending, Shape, Token},
    words,
};

/// How many pages of a type are kept to choose examples from.
const PAGES_KEPT: usize = 16;
/// How many different names a position may have before the rare ones become one.
const NAMES_MAX: usize = 256;
/// Which part of a position's URLs keeps a name from that.
const FREQUENT: u64 = 128;
/// How many different queries one path may have.
const QUERIES_MAX: usize = 64;
/// How many jobs that cover a type are named.
const JOBS_KEPT: usize = 5;

/// The URLs of one shape.
#[derive(Debug, Clone, Default)]
pub(super) struct Bag {
    /// How many the list has.
    pub count: u64,
    /// Of these, how many ask something in their query.
    pub asked: u64,
    /// Some of their pages, by a hash: which ones does not depend on the order of the list.
    pub pages: BTreeMap<u64, String>,
    /// Jobs that have a page of this shape.
    pub jobs: BTreeSet<String>,
}

impl Bag {
    fn put(&mut self, shape: Shape, job: Option<&str>) {
        if let Some(job) = job {
            self.jobs.insert(job.to_owned());
        } else {
            self.count += 1;
            self.asked += u64::from(shape.is_asked);
            self.pages.insert(page_hash(&shape.page), shape.page);
        }
        self.cut();
    }

    pub(super) fn absorb(&mut self, other: Self) {
        self.count += other.count;
        self.asked += other.asked;
        self.pages.extend(other.pages);
        self.jobs.extend(other.jobs);
        self.cut();
    }

    fn cut(&mut self) {
        while self.pages.len() > PAGES_KEPT {
            self.pages.pop_last();
        }
        while self.jobs.len() > JOBS_KEPT {
            self.jobs.pop_last();
        }
    }
}

/// FNV-1a of an address without scheme, `www.` and the slash at its end: these are one page.
pub(super) fn page_hash(page: &str) -> u64 {
    let rest = page.split_once("://").map_or(page, |(_, rest)| rest);
    let rest = rest.strip_prefix("www.").unwrap_or(rest);
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    rest.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// A position in the paths of a host, with all that lies below.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// How many URLs pass here.
    pub count: u64,
    /// How many positions were made one here.
    pub merged: u64,
    /// What ends here, by its query.
    pub here: BTreeMap<String, Bag>,
    pub children: BTreeMap<Token, Node>,
}

impl Default for Node {
    fn default() -> Self {
        Self {
            count: 0,
            merged: 1,
            here: BTreeMap::new(),
            children: BTreeMap::new(),
        }
    }
}

impl Node {
    pub(super) fn put(&mut self, mut shape: Shape, job: Option<&str>) {
        let path = std::mem::take(&mut shape.path);
        let mut node = self;
        node.count += 1;
        for token in path {
            node = node.child(token);
            node.count += 1;
        }
        let mut query = std::mem::take(&mut shape.query);
        if node.here.len() >= QUERIES_MAX && !node.here.contains_key(&query) {
            query.clear();
        }
        node.here.entry(query).or_default().put(shape, job);
    }

    fn child(&mut self, token: Token) -> &mut Self {
        if !self.children.contains_key(&token) && self.names() >= NAMES_MAX {
            self.fold();
        }
        self.children.entry(token).or_default()
    }

    fn names(&self) -> usize {
        if self.children.len() < NAMES_MAX {
            return self.children.len();
        }
        let names = self.children.keys().filter(|token| is_name(token));
        names.count()
    }

    /// Makes rare names one.
    fn fold(&mut self) {
        let is_rare = |node: &Self| node.count.saturating_mul(FREQUENT) < self.count;
        let rare = self.children.iter();
        let rare = rare.filter(|(token, node)| is_name(token) && is_rare(node));
        let rare: Vec<_> = rare.map(|(token, _)| token.clone()).collect();
        for token in rare {
            let slug = Token::Slug(ending(&token));
            self.rename(&token, slug);
        }
    }

    /// Gives a child another token, beside whatever has that one already.
    pub(super) fn rename(&mut self, from: &Token, to: Token) {
        if let Some(node) = self.children.remove(from) {
            self.adopt(to, node);
        }
    }

    pub(super) fn adopt(&mut self, token: Token, node: Self) {
        if let Some(there) = self.children.get_mut(&token) {
            there.absorb(node);
        } else {
            self.children.insert(token, node);
        }
    }

    pub(super) fn absorb(&mut self, other: Self) {
        self.count += other.count;
        self.merged += other.merged;
        for (query, bag) in other.here {
            self.here.entry(query).or_default().absorb(bag);
        }
        for (token, node) in other.children {
            self.adopt(token, node);
        }
        if self.names() > NAMES_MAX {
            self.fold();
        }
    }

    pub(super) fn is_leaf(&self) -> bool {
        self.children.is_empty()
    }

    /// Whether each URL that ends here asks something.
    pub(super) fn is_asked(&self) -> bool {
        self.here
            .values()
            .all(|bag| bag.count > 0 && bag.asked == bag.count)
    }
}

/// Names that the site may have any number of.
fn is_name(token: &Token) -> bool {
    match token {
        Token::Word(word, _) => !words::is_type(word),
        Token::Locale(_) => true,
        token => token.is_literal(),
    }
}

pub(super) const fn ending(token: &Token) -> Ending {
    match token {
        Token::Word(_, ending)
        | Token::Kind(_, ending)
        | Token::Id(ending)
        | Token::SlugId(ending)
        | Token::Slug(ending) => *ending,
        _ => Ending::None,
    }
}
