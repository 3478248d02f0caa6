//! How the house is built: which room may use which, read from the sources.
//!
//! Arrows go downwards only, and in no circle; each of the outer worlds has one door.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use syn::visit::{self, Visit};

/// The floors, from the top; a room uses those below its own.
const FLOORS: &[&[&str]] = &[
    &["main"],
    &["cli"],
    &["web", "webhook"],
    &["present"],
    &["wiring", "telemetry"],
    &["engine"],
    &["store"],
    &["manifest", "config", "api", "simulator"],
    &["clock"],
    &["core"],
];

/// Rooms whose own parts are rooms: among these there is no circle either.
const HOUSES: &[&str] = &[
    "api", "cli", "config", "core", "engine", "manifest", "present", "web", "wiring",
];

/// Crates that have one door, and where that is.
const DOORS: &[(&str, &str)] = &[("sqlx", "store/sqlite"), ("reqwest", "api")];

/// What a decision must not know: I/O, tasks, clocks and chance.
const NOT_IN_CORE: &[&str] = &[
    "clap",
    "fastrand",
    "reqwest",
    "rustix",
    "sqlx",
    "tokio",
    "tracing",
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
];

/// How long a file may be.
const FILE_LINES: usize = 500;

/// One source file: where it is below `src`, and the paths that it names.
#[derive(Debug)]
struct Source {
    place: String,
    names: BTreeSet<String>,
    is_async: bool,
}

/// Collects the paths of a file, except those that only tests see.
#[derive(Debug, Default)]
struct Names {
    names: BTreeSet<String>,
    is_async: bool,
}

fn is_of_tests(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Ident>()
                .is_ok_and(|word| word == "test")
    })
}

impl Names {
    fn add_tree(&mut self, before: &str, tree: &syn::UseTree) {
        let join = |name: &syn::Ident| match before {
            "" => name.to_string(),
            before => format!("{before}::{name}"),
        };
        match tree {
            syn::UseTree::Path(path) => self.add_tree(&join(&path.ident), &path.tree),
            syn::UseTree::Name(name) => drop(self.names.insert(join(&name.ident))),
            syn::UseTree::Rename(name) => drop(self.names.insert(join(&name.ident))),
            syn::UseTree::Glob(_) => drop(self.names.insert(before.to_owned())),
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_tree(before, tree);
                }
            }
        }
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes = match item {
            syn::Item::Mod(it) => &it.attrs,
            syn::Item::Use(it) => &it.attrs,
            syn::Item::Fn(it) => &it.attrs,
            syn::Item::Impl(it) => &it.attrs,
            syn::Item::Const(it) => &it.attrs,
            syn::Item::Static(it) => &it.attrs,
            syn::Item::Struct(it) => &it.attrs,
            syn::Item::Enum(it) => &it.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_of_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, it: &'ast syn::ImplItemFn) {
        if !is_of_tests(&it.attrs) {
            visit::visit_impl_item_fn(self, it);
        }
    }

    fn visit_variant(&mut self, it: &'ast syn::Variant) {
        if !is_of_tests(&it.attrs) {
            visit::visit_variant(self, it);
        }
    }

    fn visit_arm(&mut self, it: &'ast syn::Arm) {
        if !is_of_tests(&it.attrs) {
            visit::visit_arm(self, it);
        }
    }

    fn visit_expr_if(&mut self, it: &'ast syn::ExprIf) {
        if !is_of_tests(&it.attrs) {
            visit::visit_expr_if(self, it);
        }
    }

    fn visit_local(&mut self, it: &'ast syn::Local) {
        if !is_of_tests(&it.attrs) {
            visit::visit_local(self, it);
        }
    }

    fn visit_stmt_macro(&mut self, it: &'ast syn::StmtMacro) {
        if !is_of_tests(&it.attrs) {
            visit::visit_stmt_macro(self, it);
        }
    }

    fn visit_item_use(&mut self, it: &'ast syn::ItemUse) {
        self.add_tree("", &it.tree);
    }

    fn visit_signature(&mut self, it: &'ast syn::Signature) {
        self.is_async |= it.asyncness.is_some();
        visit::visit_signature(self, it);
    }

    fn visit_expr_async(&mut self, it: &'ast syn::ExprAsync) {
        self.is_async = true;
        visit::visit_expr_async(self, it);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<_> = path
            .segments
            .iter()
            .map(|it| it.ident.to_string())
            .collect();
        if segments.len() > 1 {
            self.names.insert(segments.join("::"));
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, it: &'ast syn::Macro) {
        let segments: Vec<_> = it
            .path
            .segments
            .iter()
            .map(|it| it.ident.to_string())
            .collect();
        self.names.insert(segments.join("::"));
        // What stands in it is often a list of expressions.
        let parser = syn::punctuated::Punctuated::<syn::Expr, syn::Token![,]>::parse_terminated;
        if let Ok(expressions) = it.parse_body_with(parser) {
            for expression in &expressions {
                self.visit_expr(expression);
            }
        }
    }
}

impl Source {
    fn read(place: &str, text: &str) -> Self {
        let file = syn::parse_file(text).unwrap();
        let mut names = Names::default();
        names.visit_file(&file);
        Self {
            place: place.to_owned(),
            names: names.names,
            is_async: names.is_async,
        }
    }

    /// The room on its floor: `engine`.
    fn house(&self) -> &str {
        house(&self.place)
    }

    /// The room within it: `engine/worker`; of a floor that has none, the floor's.
    fn room(&self) -> String {
        let mut parts = self.place.trim_end_matches(".rs").split('/');
        let house = parts.next().unwrap();
        match parts.next() {
            Some(room) if HOUSES.contains(&house) => format!("{house}/{room}"),
            _ => house.to_owned(),
        }
    }

    /// The rooms of this crate that it names.
    fn used(&self) -> impl Iterator<Item = (&str, String)> {
        self.names.iter().filter_map(|name| {
            let mut parts = name.strip_prefix("crate::")?.split("::");
            let house = parts.next()?;
            let room = match parts.next() {
                Some(room) if HOUSES.contains(&house) => format!("{house}/{room}"),
                _ => house.to_owned(),
            };
            Some((house, room))
        })
    }
}

fn house(place: &str) -> &str {
    place.split('/').next().unwrap().trim_end_matches(".rs")
}

fn floor(house: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&house))
}

/// What is wrong with the house.
fn faults(sources: &[Source]) -> Vec<String> {
    let mut faults = Vec::new();
    let rooms: BTreeSet<_> = sources.iter().map(Source::room).collect();
    let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources {
        let place = &source.place;
        let Some(own) = floor(source.house()) else {
            faults.push(format!("{place} is on no floor: add its room to FLOORS"));
            continue;
        };
        for (house, room) in source.used() {
            if house == source.house() {
                if room != source.room() && rooms.contains(&room) && room != house {
                    arrows.entry(source.room()).or_default().insert(room);
                }
                continue;
            }
            match floor(house) {
                Some(floor) if floor > own => {}
                Some(_) => faults.push(format!("{place} climbs to {house}")),
                // A macro of the crate's, or a room that is not there.
                None if house == "named_enum" => {}
                None => faults.push(format!("{place} uses {house}, which is on no floor")),
            }
        }
        for name in &source.names {
            let is = |prefix: &str| name == prefix || name.starts_with(&format!("{prefix}::"));
            for (outside, door) in DOORS {
                if is(outside) && !place.trim_end_matches(".rs").starts_with(door) {
                    faults.push(format!("{place} uses {name}: only src/{door} may"));
                }
            }
            let names_a_store = matches!(name.as_str(), "crate::store::Store" | "crate::store")
                || is("crate::store::sqlite");
            if source.house() == "engine" && names_a_store {
                faults.push(format!("{place} uses {name}: the engine knows ports alone"));
            }
            if source.house() == "core" && NOT_IN_CORE.iter().any(|outside| is(outside)) {
                faults.push(format!("{place} uses {name}: a decision must not"));
            }
        }
        if source.house() == "core" && source.is_async {
            faults.push(format!("{place} is async: a decision must not wait"));
        }
    }
    faults.extend(circle(&arrows).map(|rooms| format!("a circle: {}", rooms.join(" -> "))));
    faults
}

/// The rooms of a circle, if there is one: what is left when rooms that use no room that is
/// left are taken away, again and again, and one way through it.
fn circle(arrows: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    let mut left = arrows.clone();
    loop {
        let before = left.len();
        let names: BTreeSet<_> = left.keys().cloned().collect();
        left.retain(|_, used| used.iter().any(|room| names.contains(room)));
        if left.len() == before {
            break;
        }
    }
    let mut way = vec![left.keys().next()?.clone()];
    loop {
        let used = &left[way.last()?];
        let next = used.iter().find(|room| left.contains_key(*room))?.clone();
        if let Some(at) = way.iter().position(|room| *room == next) {
            let mut circle = way.split_off(at);
            circle.push(next);
            return Some(circle);
        }
        way.push(next);
    }
}

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// Files that only tests compile.
fn is_tests(place: &str) -> bool {
    place.starts_with("simulation")
        || place
            .split('/')
            .any(|part| matches!(part, "tests" | "tests.rs" | "testing" | "testing.rs"))
}

#[test]
fn arrows_go_down_in_no_circle_and_through_the_doors() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    files(&src, &mut paths);
    let sources: Vec<_> = paths
        .iter()
        .filter_map(|path| {
            let place = path.strip_prefix(&src).unwrap().to_str().unwrap();
            let is_map = place == "lib.rs" || is_tests(place);
            (!is_map).then(|| Source::read(place, &std::fs::read_to_string(path).unwrap()))
        })
        .collect();
    assert!(sources.len() > 100, "{}", sources.len());
    let faults = faults(&sources);
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn no_file_is_longer_than_can_be_read_at_once() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for directory in ["src", "tests", "benches"] {
        files(&root.join(directory), &mut paths);
    }
    assert!(paths.len() > 200, "{}", paths.len());
    let too_long: Vec<_> = paths
        .iter()
        .map(|path| (path, std::fs::read_to_string(path).unwrap().lines().count()))
        .filter(|(_, lines)| *lines > FILE_LINES)
        .collect();
    assert!(too_long.is_empty(), "split by subject: {too_long:#?}");
}

#[test]
fn what_is_built_wrong_is_found() {
    let sound = [
        ("cli/run.rs", "use crate::engine::daemon::Daemon;"),
        (
            "engine/daemon.rs",
            "use crate::{core::job, engine::worker};",
        ),
        (
            "engine/worker.rs",
            "use crate::store::JobStore; use crate::core::gate;",
        ),
        ("store/sqlite/apply.rs", "use sqlx::Row;"),
        (
            "core/gate.rs",
            "fn f() { #[cfg(test)] if crate::simulation::breaks() {} }",
        ),
    ];
    for (place, text, fault) in [
        ("core/listing.rs", "", None),
        (
            "core/listing.rs",
            "use crate::store::Store;",
            Some("core/listing.rs climbs to store"),
        ),
        (
            "engine/retention.rs",
            "use crate::store::{Store, StoreError};",
            Some("engine/retention.rs uses crate::store::Store: the engine knows ports alone"),
        ),
        (
            "engine/account.rs",
            "fn f() { let _ = format!(\"{}\", crate::cli::run::x()); }",
            Some("engine/account.rs climbs to cli"),
        ),
        (
            "engine/worker/list.rs",
            "use crate::engine::daemon::Daemon;",
            Some("a circle: engine/daemon -> engine/worker -> engine/daemon"),
        ),
        (
            "engine/account.rs",
            "async fn f() { sqlx::query(\"\").await }",
            Some("engine/account.rs uses sqlx::query: only src/store/sqlite may"),
        ),
        (
            "cli/check.rs",
            "use reqwest::Client;",
            Some("cli/check.rs uses reqwest::Client: only src/api may"),
        ),
        (
            "core/budget.rs",
            "use std::time::{Duration, Instant};",
            Some("core/budget.rs uses std::time::Instant: a decision must not"),
        ),
        (
            "core/budget.rs",
            "async fn f() {}",
            Some("core/budget.rs is async: a decision must not wait"),
        ),
        (
            "attic/box.rs",
            "",
            Some("attic/box.rs is on no floor: add its room to FLOORS"),
        ),
        (
            "core/budget.rs",
            "#[cfg(test)] mod tests { use crate::store::Store; }",
            None,
        ),
    ] {
        let sources: Vec<_> = sound
            .iter()
            .copied()
            .chain([(place, text)])
            .map(|(place, text)| Source::read(place, text))
            .collect();
        let expected: Vec<_> = fault.into_iter().map(str::to_owned).collect();
        assert_eq!(faults(&sources), expected, "{place}: {text}");
    }
}
