//! Fetches of web pages through the vendor's fetch API. A page is hostile: of its body a bounded part
//! is read, few pages are looked at at once, and no URL of it is ever followed.

use std::sync::Arc;

use reqwest::header::ACCEPT;
use tokio::sync::Semaphore;
use url::Url;

use super::{
    exchange::{fault, logged_by, read},
    now_ms,
};
use crate::{
    api::{
        classify::{self, Body, BodyEnd, PageHead, PageReply, RawAnswer, RawPage},
        text::Quoter,
    },
    core::{
        outcome::{FetchOutcome, FetchRequest},
        page::READ_MAX_BYTES,
        preflight::Brought,
    },
};

/// So many pages are looked at at once: each takes some times its size.
const MAX_LOOKS: usize = 2;

/// Parameters that are parserd's own here, whatever a job's are.
const OWN_PARAMETERS: [&str; 3] = ["api_key", "url", "max_cost"];

/// Where pages are fetched, and by what.
#[derive(Debug, Clone)]
pub(super) struct Fetcher {
    pub url: Url,
    pub client: reqwest::Client,
    looks: Arc<Semaphore>,
}

impl Fetcher {
    pub fn new(url: Url, client: reqwest::Client) -> Self {
        let looks = Arc::new(Semaphore::new(MAX_LOOKS));
        Self { url, client, looks }
    }

    /// Where a fetch is priced, which costs nothing.
    pub fn price_url(&self) -> Option<Url> {
        self.url.join("account/urlcost").ok()
    }

    /// `url` with what is asked for; it has the key already.
    pub fn add_parameters(url: &mut Url, request: &FetchRequest) {
        let mut query = url.query_pairs_mut();
        query.append_pair("url", &request.url);
        for (name, value) in &request.params {
            if OWN_PARAMETERS.contains(&name.as_str()) || value.is_null() {
                continue;
            }
            let text = value.as_str();
            let text = text.map_or_else(|| value.to_string(), str::to_owned);
            query.append_pair(name, &text);
        }
        query.append_pair("max_cost", &request.max_credits.to_string());
    }

    /// Fetches a page and looks at it.
    pub async fn fetch(&self, url: Url, request: &FetchRequest, quoter: &Quoter) -> FetchOutcome {
        // With `keep_headers` the site gets it, and sends what it asks for.
        let get = self.client.get(url);
        let get = get.header(ACCEPT, "text/html,application/xhtml+xml,*/*;q=0.8");
        let reply = exchange(get).await;
        self.look(request.clone(), reply, quoter.clone()).await
    }

    async fn look(&self, request: FetchRequest, reply: PageReply, quoter: Quoter) -> FetchOutcome {
        let credits = reply.as_ref().ok().and_then(|page| page.head.credits());
        // Nobody closes it.
        let turn = Arc::clone(&self.looks).acquire_owned().await.ok();
        let looking = tokio::task::spawn_blocking(move || {
            // Kept until the end of the look, also where nobody waits for it any more.
            let _turn = turn;
            classify::fetch(&request, reply, now_ms(), &quoter)
        });
        looking.await.unwrap_or_else(|_| FetchOutcome::Brought {
            // The words of a panic may be the page's.
            brought: Brought::Nothing {
                why: "looking at the page failed: a defect of parserd".to_owned(),
            },
            credits,
        })
    }
}

async fn exchange(request: reqwest::RequestBuilder) -> PageReply {
    let asking = async {
        match request.send().await {
            Ok(response) => Ok(read_page(response).await),
            Err(error) => Err(fault(error)),
        }
    };
    logged_by("fetch", |page: &RawPage| page.answer.status, asking).await
}

async fn read_page(response: reqwest::Response) -> RawPage {
    let head = PageHead::of(|name| response.headers().get(name)?.to_str().ok());
    let answer = if response.status().is_success() && !head.is_readable() {
        RawAnswer {
            status: response.status().as_u16(),
            retry_after: None,
            body: Body {
                bytes: Vec::new(),
                end: BodyEnd::Complete,
            },
        }
    } else {
        read(response, READ_MAX_BYTES).await
    };
    RawPage { answer, head }
}
