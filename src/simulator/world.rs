//! The account and its parsers, on a clock that is handed in. Pure.

mod versions;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::generation;
use super::input::CreateInput;
use crate::core::effort::Proxy;
use crate::core::job::{DurationMs, UnixMs};
pub(super) use versions::{Deletion, Version, Versions};

/// What a simulated account is like.
#[derive(Debug, Clone)]
pub struct WorldConfig {
    /// The API key; any other gets 401.
    pub key: String,
    /// What all chance is drawn from.
    pub seed: u64,
    /// The credits at the start; `None` is more than can be spent.
    pub credits: Option<i64>,
    /// What a create costs, and an update that adds or modifies fields.
    pub credits_per_create: i64,
    /// Whether the account's first parser is free.
    pub first_free: bool,
    /// Scales the generation times: 1.0 is a median of 60 s, 0 is at once.
    pub generation_scale: f64,
    /// How far behind the account endpoint's count of spent credits is.
    pub account_lag_ms: DurationMs,
    /// The best proxies that the plan includes; better ones get 403.
    pub best_proxy: Proxy,
    /// The share of pages that the fetch API sees otherwise than the generator: what that cannot read
    /// is fetched, what it can read is not.
    pub fetches_astray: f64,
}

impl Default for WorldConfig {
    fn default() -> Self {
        Self {
            key: "demo-key".to_owned(),
            seed: 1,
            credits: None,
            credits_per_create: 30_000,
            first_free: true,
            generation_scale: 1.0,
            account_lag_ms: 15_000,
            best_proxy: Proxy::UltraPremium,
            fetches_astray: 0.0,
        }
    }
}

/// What becomes of a PATCH whose base is not the latest version: no document says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum StaleBase {
    /// It is based on that version all the same, and what it makes becomes the latest.
    #[default]
    Fork,
    /// 409. Versions that FAILED do not count.
    Conflict,
}

/// How a single create, PATCH or DELETE departs from the ordinary. The default departs in nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overrides {
    /// The parser or the version comes to be, or the parser goes, only so much later.
    pub land_after_ms: DurationMs,
    /// The parser is missing from the list for so long after it came to be; the version cannot be
    /// seen for so long, as if it were not there; the parser that is gone is still in the list.
    pub list_after_ms: DurationMs,
    /// How long the generation takes, in place of the drawn time; not scaled.
    pub generation_ms: Option<DurationMs>,
    /// The generation fails with this text.
    pub fail_with: Option<String>,
    /// Of a PATCH: what becomes of one that is not based on the latest version.
    pub stale_base: StaleBase,
}

/// The status of a parser's version, as the service would say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// `GENERATING`
    Generating,
    /// `FINISHED`
    Finished,
    /// `FAILED`
    Failed,
}

impl Status {
    /// The service's spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Generating => "GENERATING",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
        }
    }
}

/// What a parser looks like from outside.
#[derive(Debug, Clone, PartialEq)]
pub struct ParserView {
    /// The opaque id.
    pub id: String,
    /// The name; not unique.
    pub name: String,
    /// The example pages.
    pub urls: Vec<String>,
    /// When it came to be.
    pub created_at_ms: UnixMs,
    /// The latest version's status.
    pub status: Status,
    /// The latest version, whether a GET shows it yet or not.
    pub version: usize,
    /// The latest version's fields.
    pub fields: Arc<Vec<Value>>,
    /// How many versions there are.
    pub versions: usize,
    /// How many of them were paid for, by a PATCH.
    pub paid_versions: usize,
    /// What its create cost: 0 for the free first one and for an inserted one.
    pub credits: i64,
}

/// A parser that some other tool made.
#[derive(Debug, Clone, Default)]
pub struct Inserted {
    /// Its id; empty: drawn.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its example pages.
    pub urls: Vec<String>,
    /// How much longer it is being generated; 0: it is done.
    pub generation_ms: DurationMs,
    /// The text of its failure, if it ends so.
    pub fail_with: Option<String>,
}

/// A parser as the world keeps it.
#[derive(Debug)]
pub(super) struct Parser {
    pub id: String,
    pub name: String,
    pub urls: Vec<String>,
    pub scraper_params: Value,
    pub created_at_ms: UnixMs,
    pub listed_from_ms: UnixMs,
    pub deletion: Option<Deletion>,
    pub credits: i64,
    /// The part of its list item that never changes, as JSON, for speed.
    pub list_head: String,
    pub versions: Versions,
}

impl Parser {
    pub fn exists(&self, now_ms: UnixMs) -> bool {
        let is_gone = |deletion: Deletion| deletion.at_ms <= now_ms;
        self.created_at_ms <= now_ms && !self.deletion.is_some_and(is_gone)
    }

    pub fn is_listed(&self, now_ms: UnixMs) -> bool {
        let is_gone = |deletion: Deletion| deletion.unlisted_from_ms <= now_ms;
        let listed_from_ms = self.listed_from_ms.max(self.created_at_ms);
        listed_from_ms <= now_ms && !self.deletion.is_some_and(is_gone)
    }
}

/// The simulated account. See [`World::handle`] for what it answers.
#[derive(Debug)]
pub struct World {
    pub(super) config: WorldConfig,
    /// In the order of the requests that made them; deleted ones stay, marked.
    pub(super) parsers: Vec<Parser>,
    index_by_id: HashMap<String, usize>,
    creates_by_name: HashMap<String, u64>,
    patches_by_id: HashMap<String, u64>,
    /// When how many credits had been spent in total.
    spending: Vec<(UnixMs, i64)>,
    pub(super) concurrent_requests: u64,
    pub(super) failed_requests: u64,
    pub(super) credits_of_fetches: i64,
}

impl World {
    /// An account without parsers.
    pub fn new(config: WorldConfig) -> Self {
        Self {
            config,
            parsers: Vec::new(),
            index_by_id: HashMap::new(),
            creates_by_name: HashMap::new(),
            patches_by_id: HashMap::new(),
            spending: Vec::new(),
            concurrent_requests: 0,
            failed_requests: 0,
            credits_of_fetches: 0,
        }
    }

    /// Every parser that exists now, in the order of the creates. Pass
    /// `i64::MAX` to see those too that have yet to land.
    pub fn parsers(&self, now_ms: UnixMs) -> Vec<ParserView> {
        let existing = self.parsers.iter().filter(|parser| parser.exists(now_ms));
        existing.filter_map(|parser| view(parser, now_ms)).collect()
    }

    /// One parser that exists now.
    pub fn parser(&self, now_ms: UnixMs, id: &str) -> Option<ParserView> {
        view(self.find(now_ms, id)?, now_ms)
    }

    /// How many parsers were ever created under this name, by requests.
    pub fn creates_of(&self, name: &str) -> u64 {
        self.creates_by_name.get(name).copied().unwrap_or(0)
    }

    /// Every name with the number of parsers ever created under it.
    pub fn creates_by_name(&self) -> &HashMap<String, u64> {
        &self.creates_by_name
    }

    /// How many PATCHes of this parser were ever paid for, by requests; also of one that is gone.
    pub fn patches_of(&self, id: &str) -> u64 {
        self.patches_by_id.get(id).copied().unwrap_or(0)
    }

    /// The credits spent so far.
    pub fn credits_spent(&self) -> i64 {
        self.spending.last().map_or(0, |&(_, total)| total)
    }

    /// The credits left; `None` is more than can be spent.
    pub fn credits_left(&self) -> Option<i64> {
        Some(self.config.credits? - self.credits_spent())
    }

    /// Buys credits. No effect where they are unlimited.
    pub fn add_credits(&mut self, credits: i64) {
        if let Some(limit) = &mut self.config.credits {
            *limit = limit.saturating_add(credits);
        }
    }

    /// Makes so many credits left, also where they were unlimited.
    pub fn set_credits_left(&mut self, credits: i64) {
        self.config.credits = Some(self.credits_spent().saturating_add(credits));
    }

    /// Whether this is the account's API key.
    pub(super) fn has_key(&self, key: &str) -> bool {
        key == self.config.key
    }

    /// Changes the API key; the one before gets 401 from now on.
    pub fn set_key(&mut self, key: &str) {
        key.clone_into(&mut self.config.key);
    }

    /// Deletes a parser as another person would. Whether it was there.
    pub fn delete_parser(&mut self, id: &str) -> bool {
        self.mark_deleted(id, Deletion::after(UnixMs::MIN, 0, 0))
    }

    /// Whether it was there without a deletion before.
    pub(super) fn mark_deleted(&mut self, id: &str, deletion: Deletion) -> bool {
        let Some(&index) = self.index_by_id.get(id) else {
            return false;
        };
        let earlier = &mut self.parsers[index].deletion;
        let was_there = earlier.is_none();
        if earlier.is_none_or(|earlier| deletion.at_ms < earlier.at_ms) {
            *earlier = Some(deletion);
        }
        was_there
    }

    /// Puts a parser there as another tool's create would have. It costs nothing
    /// now, but the account's free first parser is used up.
    pub fn insert_parser(&mut self, now_ms: UnixMs, inserted: Inserted) -> String {
        let nth = self.parsers.len() as u64;
        let mut rng = generation::chance(self.config.seed, "inserted", &inserted.name, nth);
        let id = match inserted.id {
            id if id.is_empty() => generation::draw_parser_id(&mut rng),
            id => id,
        };
        self.push(Parser {
            list_head: list_head(&id, &inserted.name),
            id: id.clone(),
            name: inserted.name,
            urls: inserted.urls,
            scraper_params: Value::Null,
            created_at_ms: now_ms,
            listed_from_ms: now_ms,
            deletion: None,
            credits: 0,
            versions: Versions::new(Version::first(
                generation::inferred_fields(),
                now_ms + inserted.generation_ms,
                inserted.fail_with,
            )),
        });
        id
    }

    /// What the next create costs.
    pub(super) fn price_of_create(&self) -> i64 {
        if self.config.first_free && self.parsers.is_empty() {
            0
        } else {
            self.config.credits_per_create
        }
    }

    /// Whether so many credits are there.
    pub(super) fn can_pay(&self, credits: i64) -> bool {
        credits == 0 || self.credits_left().is_none_or(|left| left >= credits)
    }

    pub(super) fn spend(&mut self, now_ms: UnixMs, credits: i64) {
        if credits != 0 {
            self.spending.push((now_ms, self.credits_spent() + credits));
        }
    }

    /// The credits spent as the account endpoint knows them.
    pub(super) fn spending_known(&self, now_ms: UnixMs) -> i64 {
        let known_at_ms = now_ms - self.config.account_lag_ms;
        let known = self.spending.partition_point(|&(at, _)| at <= known_at_ms);
        known.checked_sub(1).map_or(0, |last| self.spending[last].1)
    }

    pub(super) fn create(
        &mut self,
        now_ms: UnixMs,
        input: CreateInput,
        credits: i64,
        overrides: &Overrides,
    ) -> String {
        let nth = self.creates_of(&input.name);
        let mut rng = generation::chance(self.config.seed, "create", &input.name, nth);
        let id = generation::draw_parser_id(&mut rng);
        let drawn_ms = generation::draw_generation_ms(&mut rng, self.config.generation_scale);
        let created_at_ms = now_ms + overrides.land_after_ms;
        let failure = generation::failure(&input.urls, &input.scraper_params);
        self.spend(now_ms, credits);
        *self.creates_by_name.entry(input.name.clone()).or_default() += 1;
        self.push(Parser {
            list_head: list_head(&id, &input.name),
            id: id.clone(),
            name: input.name,
            urls: input.urls,
            scraper_params: input.scraper_params,
            created_at_ms,
            listed_from_ms: created_at_ms + overrides.list_after_ms,
            deletion: None,
            credits,
            versions: Versions::new(Version::first(
                input.fields.unwrap_or_else(generation::inferred_fields),
                created_at_ms + overrides.generation_ms.unwrap_or(drawn_ms),
                overrides.fail_with.clone().or(failure),
            )),
        });
        id
    }

    pub(super) fn find(&self, now_ms: UnixMs, id: &str) -> Option<&Parser> {
        let parser = &self.parsers[*self.index_by_id.get(id)?];
        parser.exists(now_ms).then_some(parser)
    }

    /// Adds a version, which is paid for now, and returns its number. What another keeps from
    /// landing is not paid for.
    pub(super) fn add_version(&mut self, now_ms: UnixMs, id: &str, version: Version) -> usize {
        let Some(&index) = self.index_by_id.get(id) else {
            return 0;
        };
        let credits = version.credits;
        let (number, dropped) = self.parsers[index].versions.add(now_ms, version);
        let paid = dropped.iter().filter(|version| version.credits > 0);
        let (unpaid, refund) = (
            paid.clone().count(),
            paid.map(|version| version.credits).sum::<i64>(),
        );
        let count = self.patches_by_id.entry(id.to_owned()).or_default();
        *count = (*count + u64::from(credits > 0)).saturating_sub(unpaid as u64);
        self.spend(now_ms, credits - refund);
        number
    }

    fn push(&mut self, parser: Parser) {
        let index = self.parsers.len();
        self.index_by_id.insert(parser.id.clone(), index);
        self.parsers.push(parser);
    }
}

fn view(parser: &Parser, now_ms: UnixMs) -> Option<ParserView> {
    let (number, version) = parser.versions.real(now_ms, None)?;
    let landed = parser.versions.landed(now_ms);
    Some(ParserView {
        id: parser.id.clone(),
        name: parser.name.clone(),
        urls: parser.urls.clone(),
        created_at_ms: parser.created_at_ms,
        status: version.status(now_ms),
        version: number,
        fields: Arc::clone(&version.fields),
        versions: landed.len(),
        paid_versions: landed.iter().filter(|version| version.credits > 0).count(),
        credits: parser.credits,
    })
}

fn list_head(id: &str, name: &str) -> String {
    let (id, name) = (Value::from(id), Value::from(name));
    format!("{{\"id\":{id},\"name\":{name}")
}

#[cfg(test)]
mod tests;
