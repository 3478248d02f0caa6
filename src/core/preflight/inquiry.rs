//! What to fetch next, or what is found, from the fetches that are on record.

use super::{
    Brought, Fetched, Foreseen, MAX_TRIES, MAX_TRIES_WHILE_DOWN, Mode, Next, Question, Verdict,
    signs,
};
use crate::core::{effort::Effort, page::Sight, remedy::ONE_TYPE, shown::shown};

/// What to do next, after these fetches.
pub fn next<'q>(question: &Question<'q>, fetched: &[Fetched]) -> Next<'q> {
    let inquiry = Inquiry { question, fetched };
    match inquiry.run() {
        Ok((found, effort)) | Err(Stop::Found(found, effort)) => Next::Done(found, effort),
        Err(Stop::Fetch(url, effort)) => {
            let max_credits = question.max_credits - inquiry.spent();
            if effort.credits() > max_credits {
                let (found, effort) = inquiry.at_limit(url, effort);
                return Next::Done(found, effort);
            }
            Next::Fetch {
                url,
                effort,
                max_credits,
            }
        }
    }
}

/// Why an inquiry does not go on.
enum Stop<'q> {
    Fetch(&'q str, Effort),
    Found(Foreseen, Effort),
}

/// How a page came out.
enum Page<'f> {
    Seen(&'f Sight),
    Gone(u16),
    Blocked(String),
    NotInPlan(&'f str),
    Unknown(String),
}

struct Inquiry<'i, 'q> {
    question: &'i Question<'q>,
    fetched: &'i [Fetched],
}

impl<'q> Inquiry<'_, 'q> {
    fn spent(&self) -> i64 {
        self.fetched.iter().map(|fetched| fetched.credits).sum()
    }

    fn run(&self) -> Result<(Foreseen, Effort), Stop<'q>> {
        let own = self.question.own;
        let mut effort = own;
        loop {
            let Some(sights) = self.sights(effort)? else {
                effort = self.better(effort)?;
                continue;
            };
            if !effort.render && self.needs_js(effort, &sights)? {
                effort = effort.rendered();
                continue;
            }
            if let Some((page, seen)) = signs::mixed(self.question.urls, &sights) {
                let cure = ONE_TYPE.to_owned();
                let found = self.found(Verdict::MixedTypes, Some(page), Some(seen), Some(cure));
                return Ok((found, own));
            }
            let mut found = self.found(Verdict::Ok, None, None, None);
            found.set = (effort != own).then(|| effort.line_beyond(own));
            return Ok((found, effort));
        }
    }

    /// All pages with this effort; none where one is blocked. What the job's own parameters show
    /// comes first, for every page: that one is gone is cheaply seen then.
    fn sights(&self, effort: Effort) -> Result<Option<Vec<&Sight>>, Stop<'q>> {
        let mut sights = Vec::new();
        let urls = self.question.urls.iter().enumerate();
        let (blocked, others): (Vec<_>, Vec<_>) = urls.partition(|(_, url)| self.was_blocked(url));
        let (mut unknown, mut is_blocked) = (None, false);
        for (index, url) in blocked.into_iter().chain(others) {
            match self.page_at_most(url, effort)? {
                Page::Gone(status) => {
                    let seen = format!("it was answered {status}");
                    let cure = "take that page out of urls, or correct it";
                    return Err(self.stop(Verdict::Gone, url, seen, Some(cure.to_owned())));
                }
                Page::Seen(sight) if signs::asks_login(sight) => {
                    let seen = format!("it asks for a password: {}", shown(&sight.title));
                    let cure = "only pages that are open to everybody can be parsed: take others";
                    return Err(self.stop(Verdict::Login, url, seen, Some(cure.to_owned())));
                }
                Page::Seen(sight) => sights.push((index, sight)),
                Page::Blocked(_) | Page::NotInPlan(_) if effort == self.question.own => {
                    is_blocked = true;
                }
                // The others are fetched with the effort that this one needs.
                Page::Blocked(_) | Page::NotInPlan(_) => return Ok(None),
                Page::Unknown(why) => unknown = unknown.or(Some((url.as_str(), why))),
            }
        }
        if is_blocked {
            return Ok(None);
        }
        match unknown {
            Some((url, why)) => Err(self.stop(Verdict::Unknown, url, why, None)),
            None => {
                sights.sort_by_key(|(index, _)| *index);
                Ok(Some(sights.into_iter().map(|(_, sight)| sight).collect()))
            }
        }
    }

    /// Whether a page was refused with any effort: it is the first to be tried with another one.
    fn was_blocked(&self, url: &str) -> bool {
        self.fetched.iter().any(|fetched| {
            let is_blocked = match &fetched.brought {
                Brought::Blocked { .. } => true,
                Brought::Page(sight) => signs::wall(sight).is_some(),
                _ => false,
            };
            is_blocked && fetched.url == url
        })
    }

    /// The next effort, after one with which a page is blocked: what worked for the host before, else
    /// the next better proxies.
    fn better(&self, effort: Effort) -> Result<Effort, Stop<'q>> {
        let is_in_plan = |better: &Effort| !self.question.not_in_plan.contains(better);
        let better = effort.through_better();
        let known = self.question.known.map(|known| Effort {
            proxy: known.proxy,
            ..effort
        });
        let known = known.filter(|known| known.proxy > effort.proxy && is_in_plan(known));
        if self.question.mode == Mode::Repair
            && let Some(better) = known.or(better.filter(is_in_plan))
        {
            return Ok(better);
        }
        let mut blocked = ("", String::new());
        for url in self.question.urls {
            blocked = match self.page(url, effort) {
                Ok(Page::Blocked(why)) => (url.as_str(), why),
                Ok(Page::NotInPlan(why)) => (url.as_str(), shown(why)),
                _ => continue,
            };
            break;
        }
        let (url, why) = blocked;
        Err(self.stop(Verdict::Blocked, url, why, Some(self.cure_of_block(better))))
    }

    /// What to do about a page that is blocked, where these parameters are the next better ones.
    fn cure_of_block(&self, better: Option<Effort>) -> String {
        match better {
            Some(better) if self.question.not_in_plan.contains(&better) => format!(
                "{} proxies lift most blocks, and the plan does not include them: upgrade it, or \
                 take this page out of urls",
                better.proxy
            ),
            Some(better) => format!(
                "if the site blocks scrapers, write: {}",
                better.line_beyond(self.question.own)
            ),
            None => {
                "check that the page opens in a browser; other parameters did not help".to_owned()
            }
        }
    }

    /// What is found where the limit does not cover this fetch. A page that is known to be refused is
    /// not paid for; what loaded with an effort is sent with it, and rendered where that was to be
    /// looked at: rendering costs a create nothing.
    fn at_limit(&self, url: &str, effort: Effort) -> (Foreseen, Effort) {
        let own = self.question.own;
        let seen = format!(
            "the fetches of one job may cost {} credits, and {} are spent",
            self.question.max_credits,
            self.spent()
        );
        let loaded = |fetched: &Fetched| fetched.effort.proxy == effort.proxy && fetched.worked();
        let is_repairing = self.question.mode == Mode::Repair;
        let refused = self.question.urls.iter().find(|url| {
            let mut of_page = self.fetched.iter().filter(|fetched| fetched.url == **url);
            self.was_blocked(url) && !of_page.any(Fetched::worked)
        });
        if let Some(refused) = refused
            && !(is_repairing && self.fetched.iter().any(loaded))
        {
            let cure = Some(self.cure_of_block(Some(effort).filter(|effort| *effort != own)));
            let seen = format!("it was refused, and {seen}");
            return (
                self.found(Verdict::Blocked, Some(refused), Some(seen), cure),
                own,
            );
        }
        let mut found = self.found(Verdict::Unknown, Some(url), Some(seen), None);
        if !is_repairing || effort == own {
            return (found, own);
        }
        found.set = Some(effort.line_beyond(own));
        (found, effort)
    }

    /// Whether what is wanted is there only where JavaScript is run.
    fn needs_js(&self, effort: Effort, raw: &[&Sight]) -> Result<bool, Stop<'q>> {
        let rendered = effort.rendered();
        let Some(index) = signs::suspect(raw) else {
            return Ok(false);
        };
        if self.question.not_in_plan.contains(&rendered) {
            return Ok(false);
        }
        let url = &self.question.urls[index];
        let sight = match self.page(url, rendered)? {
            Page::Seen(sight) => sight,
            Page::NotInPlan(_) => return Ok(false),
            Page::Gone(_) | Page::Blocked(_) => {
                let why = "it shows little, and could not be fetched with render".to_owned();
                return Err(self.stop(Verdict::Unknown, url, why, None));
            }
            Page::Unknown(why) => return Err(self.stop(Verdict::Unknown, url, why, None)),
        };
        let Some(why) = signs::shows_more(raw, index, sight) else {
            return Ok(false);
        };
        if self.question.mode == Mode::Repair {
            return Ok(true);
        }
        let cure = format!("write: {}", rendered.line_beyond(self.question.own));
        Err(self.stop(Verdict::NeedsJs, url, why, Some(cure)))
    }

    /// What is known of a page with this effort, or of one that loaded with less: better proxies
    /// load what others do.
    fn page_at_most(&self, url: &'q str, effort: Effort) -> Result<Page<'_>, Stop<'q>> {
        let loaded = self.fetched.iter().rev().find(|fetched| {
            let is_less = fetched.effort.proxy <= effort.proxy;
            fetched.url == url
                && is_less
                && fetched.effort.render == effort.render
                && fetched.worked()
        });
        match loaded.map(|fetched| &fetched.brought) {
            Some(Brought::Page(sight)) => Ok(Page::Seen(sight)),
            _ => self.page(url, effort),
        }
    }

    /// What is known of a page with this very effort, by the newest fetch that says anything.
    fn page(&self, url: &'q str, effort: Effort) -> Result<Page<'_>, Stop<'q>> {
        let tries = || {
            let of_page = self.fetched.iter().rev();
            of_page.filter(|fetched| fetched.url == url && fetched.effort == effort)
        };
        let count = tries().count();
        let mut why = None;
        for fetched in tries() {
            match &fetched.brought {
                Brought::Page(sight) => {
                    return Ok(match signs::wall(sight) {
                        Some(wall) => Page::Blocked(wall),
                        None if sight.is_html() => Page::Seen(sight),
                        None => Page::Unknown("it is not an HTML page".to_owned()),
                    });
                }
                Brought::Gone { status } => return Ok(Page::Gone(*status)),
                Brought::Blocked { .. }
                    if self.question.is_down
                        && !self.question.has_waited
                        && count < MAX_TRIES_WHILE_DOWN =>
                {
                    return Err(Stop::Fetch(url, effort));
                }
                Brought::Blocked { why } => return Ok(Page::Blocked(shown(why))),
                Brought::NotInPlan { why } => return Ok(Page::NotInPlan(why)),
                Brought::TooDear => {
                    return Ok(Page::Unknown(
                        "a fetch of it would cost more than preflight.max_credits_per_job leaves"
                            .to_owned(),
                    ));
                }
                Brought::Nothing { why: last } => why = why.or(Some(last)),
                Brought::Pending => {}
            }
        }
        let tries = if self.question.has_waited {
            1
        } else {
            MAX_TRIES
        };
        if count < tries {
            return Err(Stop::Fetch(url, effort));
        }
        let why = why.map_or("there was no answer", String::as_str);
        Ok(Page::Unknown(shown(why)))
    }

    fn stop(&self, verdict: Verdict, page: &str, seen: String, cure: Option<String>) -> Stop<'q> {
        let found = self.found(verdict, Some(page), Some(seen), cure);
        Stop::Found(found, self.question.own)
    }

    fn found(
        &self,
        verdict: Verdict,
        page: Option<&str>,
        seen: Option<String>,
        cure: Option<String>,
    ) -> Foreseen {
        Foreseen {
            verdict,
            page: page.map(str::to_owned),
            seen,
            cure,
            set: None,
            credits: self.spent(),
        }
    }
}
