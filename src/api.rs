//! The AI Parser API as parserd sees it: outcomes, not responses.
//!
//! [`classify`] turns an answer into an outcome (pure); [`client`] gets the
//! answer over HTTP. Nothing beyond this module sees a URL, a `reqwest::Error`
//! or the API key.

mod answer_json;
pub mod classify;
pub mod client;
mod examples;
pub mod service_clock;
mod split;
pub mod text;

use std::future::Future;

use crate::core::job::{DurationMs, ParserId, UnixMs};
use crate::core::outcome::{
    AccountOutcome, ChangeOutcome, CreateOutcome, CreateRequest, Description, FetchOutcome,
    FetchRequest, ListOutcome, ParseOutcome, ParseRequest, PatchRequest, PollOutcome,
};
use crate::core::preflight::Brought;

/// The service that makes parsers: the real one over HTTP, or a world in process.
pub trait Service: Send + Sync + 'static {
    /// Sends one `POST /parsers`. **Each call may cost money**; it is never repeated inside.
    fn create(&self, request: &CreateRequest) -> impl Future<Output = CreateOutcome> + Send;

    /// Sends one `PATCH /parsers/{id}/{base_version}`. **Each call may cost money**; it is never
    /// repeated inside.
    fn change(&self, request: &PatchRequest) -> impl Future<Output = ChangeOutcome> + Send;

    /// Sends one `DELETE /parsers/{id}`: all its versions go. It is never repeated inside.
    fn delete(&self, parser_id: &ParserId) -> impl Future<Output = ChangeOutcome> + Send;

    /// Asks `GET /parsers/{id}` for one parser.
    fn details(&self, parser_id: &ParserId) -> impl Future<Output = PollOutcome> + Send;

    /// The same, with what the answer says of the parser beside how far it is; with a version,
    /// `GET /parsers/{id}/{version}`. This default is for doubles that know the latest alone, and
    /// no more of it than how far it is.
    fn describe(
        &self,
        parser_id: &ParserId,
        _version: Option<i64>,
    ) -> impl Future<Output = Description> + Send {
        async { self.details(parser_id).await.into() }
    }

    /// Sends one `GET /parse/{id}/{version}`: it costs a little, and may be repeated.
    fn parse(&self, request: &ParseRequest) -> impl Future<Output = ParseOutcome> + Send;

    /// Fetches a web page and looks at it: it costs a little, and may be repeated. This default is
    /// for doubles that have no pages.
    fn fetch(&self, request: &FetchRequest) -> impl Future<Output = FetchOutcome> + Send {
        let why = format!("{} cannot be fetched here", request.url);
        async {
            FetchOutcome::Brought {
                brought: Brought::Nothing { why },
                credits: Some(0),
            }
        }
    }

    /// Asks `GET /parsers` for every parser of the account.
    fn list(&self) -> impl Future<Output = ListOutcome> + Send;

    /// Looks up the credits left; None where it is not known where to look.
    fn account(&self) -> impl Future<Output = Option<AccountOutcome>> + Send {
        async { None }
    }

    /// The service's time at `lasting_ms` of [`crate::clock::lasting_ms`], to a second; None
    /// where it never told.
    fn time(&self, _lasting_ms: DurationMs) -> Option<UnixMs> {
        None
    }
}
