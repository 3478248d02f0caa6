//! What is odd about the account, as far as the database knows.

use sqlx::AssertSqlSafe;

use super::{Store, StoreError, Trying as _, strangers::UNEXPLAINED};
use crate::core::ledger::Stranger;
use crate::{
    core::job::{DurationMs, UnixMs},
    core::listing::Listing,
    core::oddities::{CreatesHold, Facts, Lag, ListReport, MOST_NAMED, Unexplained},
};

/// The key under which it is kept what the last list said of itself; the value is JSON.
const LIST_REPORT: &str = "list_report";

/// The key under which it is kept for how long creates wait, in a database that is not the one
/// that was written last; the value is JSON.
const CREATES_HOLD: &str = "creates_hold";

/// A stranger of the ledger's, and not one that a create under way or in doubt may have made.
const OF_THE_LEDGER: &str = "remote_name IS NOT NULL AND NOT EXISTS (SELECT 1 FROM creates \
    WHERE creates.remote_name = strangers.remote_name AND creates.outcome = 'pending')";

impl Store {
    /// What the last list said of itself.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn list_report(&self) -> Result<ListReport, StoreError> {
        let text = self.meta(LIST_REPORT).await?;
        // What cannot be read was not written by this version: the next list says it anew.
        let report = text.and_then(|text| serde_json::from_str(&text).ok());
        Ok(report.unwrap_or_default())
    }

    /// Keeps what a list said of itself.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn keep_list_report(&self, report: &ListReport) -> Result<(), StoreError> {
        let text = serde_json::json!(report).to_string();
        self.set_meta(LIST_REPORT, text).await
    }

    /// How long creates wait, in a database that is not the one that was written last.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn creates_hold(&self) -> Result<CreatesHold, StoreError> {
        let text = self.meta(CREATES_HOLD).await?;
        // What cannot be read was not written by this version.
        let hold = text.and_then(|text| serde_json::from_str(&text).ok());
        Ok(hold.unwrap_or_default())
    }

    /// Keeps how long creates wait.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn keep_creates_hold(&self, hold: CreatesHold) -> Result<(), StoreError> {
        let text = serde_json::json!(hold).to_string();
        self.set_meta(CREATES_HOLD, text).await
    }

    /// What is odd, by the last list that the daemon had.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn account_facts(
        &self,
        settle_after_error_ms: DurationMs,
        now: UnixMs,
    ) -> Result<Facts, StoreError> {
        let evidence = self.list_lag().await?;
        Ok(Facts {
            list: self.list_report().await?,
            unexplained: self.unexplained_of_ledger().await?,
            lag: Lag {
                shown_within_ms: evidence.slowest_ms(),
                settle_after_error_ms,
                settle_after_error_counts: evidence.is_quick(settle_after_error_ms, now),
            },
            elsewhere: self.elsewhere().await?,
            held_until: self.creates_hold().await?.until(),
        })
    }

    /// The same, by a list that was just had: nothing of it is recorded.
    ///
    /// # Errors
    /// Whatever SQLite says.
    pub async fn account_facts_of(
        &self,
        listing: &Listing,
        report: ListReport,
        settle_after_error_ms: DurationMs,
        now: UnixMs,
    ) -> Result<Facts, StoreError> {
        let mut facts = self.account_facts(settle_after_error_ms, now).await?;
        facts.list = ListReport {
            altered: facts.list.altered.take(),
            cut_to_chars: facts.list.cut_to_chars,
            ..report
        };
        facts.unexplained = self.unexplained_in(listing, now).await?;
        Ok(facts)
    }

    /// The recorded parsers that nothing explains and that bear a name of the ledger.
    async fn unexplained_of_ledger(&self) -> Result<Unexplained, StoreError> {
        let sql = format!(
            "SELECT count(*) FROM strangers INDEXED BY strangers_named \
             WHERE {OF_THE_LEDGER} AND {UNEXPLAINED}"
        );
        let count: i64 = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&self.readers)
            .await
            .trying("count the parsers that nothing explains")?;
        if count == 0 {
            return Ok(Unexplained::default());
        }
        let named = i64::try_from(MOST_NAMED).unwrap_or(i64::MAX);
        let first = self.strangers_where(OF_THE_LEDGER, named).await?;
        Ok(Unexplained { count, first })
    }

    /// Those of a list.
    async fn unexplained_in(
        &self,
        listing: &Listing,
        now: UnixMs,
    ) -> Result<Unexplained, StoreError> {
        let mut found = Unexplained::default();
        for stranger in self.strangers_in(listing, now).await? {
            let Some(name) = &stranger.remote_name else {
                continue;
            };
            if self.ledger(name).await?.pending {
                continue;
            }
            found.count += 1;
            if found.first.len() < MOST_NAMED {
                found.first.push(stranger);
            }
        }
        Ok(found)
    }

    /// All of a list that nothing explains.
    async fn strangers_in(
        &self,
        listing: &Listing,
        now: UnixMs,
    ) -> Result<Vec<Stranger>, StoreError> {
        let listed: Vec<_> = listing.items().iter().collect();
        let mut found = Vec::new();
        for step in listed.chunks(super::strangers::STEP) {
            for parser in self.unexplained(step, listing).await? {
                let text = |key: &str| parser[key].as_str().map(str::to_owned);
                found.push(Stranger {
                    id: crate::core::job::ParserId(text("id").unwrap_or_default()),
                    name: text("name").unwrap_or_default(),
                    remote_name: text("remote_name"),
                    seen_at: now,
                });
            }
        }
        Ok(found)
    }
}
