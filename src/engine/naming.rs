//! Which name a job's create uses, and what is there under it already: one loop for a
//! job's turn and for `parserd plan`.

use std::{collections::HashSet, future::Future};

use crate::{
    core::{
        job::{Job, ParserId},
        ledger::LedgerFacts,
        lifecycle::{Event, OnExisting, Policy, Presence},
        listing::Listing,
        outcome::{ErrorDetail, ListedParser, NoList, PollOutcome},
        presence::{Finding, NameFacts, PaidFor},
        remote_name::base_of,
        rules::{Rule, Rules},
        spec::JobSpec,
    },
    store::StoreError,
};

/// How often a name is tried anew when the account already holds FAILED parsers of it.
const MAX_RECREATIONS: i64 = 1000;

/// How many of the names that a job had before are looked at again.
const MAX_FORMER_NAMES: i64 = 20;

/// What a job's turn comes to.
#[derive(Debug)]
pub struct Plan {
    /// What is there.
    pub presence: Presence,
    /// The name that a create would use, or that the parser bears.
    pub remote_name: String,
    /// The re-creation counter that the name stands for.
    pub recreation: i64,
    /// The parsers that bear the name already, or may.
    pub baseline: Vec<ParserId>,
    /// Whether the list can be trusted to show each parser of the account.
    pub is_listed_whole: bool,
}

impl Plan {
    /// That the job's turn has come to this.
    pub fn event(&self) -> Event {
        Event::Listed {
            presence: self.presence.clone(),
            remote_name: self.remote_name.clone(),
            recreation: self.recreation,
        }
    }
}

/// The settings that names depend on.
#[derive(Debug, Clone, Copy)]
pub struct Naming {
    /// Whether the remote name carries the tag.
    pub name_tag: bool,
    /// Whether `create.on_existing` is `create`.
    pub wants_new: bool,
    /// The rules that are kept.
    pub rules: Rules,
}

impl Naming {
    /// Those of this policy.
    pub fn by(policy: &Policy, name_tag: bool) -> Self {
        Self {
            name_tag,
            wants_new: policy.on_existing == OnExisting::Create,
            rules: policy.rules,
        }
    }
}

/// What the service says of one parser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It is ready, or being generated.
    Usable,
    /// It FAILED.
    Failed,
    /// There is none of that id.
    Gone,
    /// An answer that does not tell.
    Unknown,
}

impl From<&PollOutcome> for Standing {
    fn from(outcome: &PollOutcome) -> Self {
        match outcome {
            PollOutcome::Finished(_) | PollOutcome::Generating { .. } => Self::Usable,
            PollOutcome::Failed(_) => Self::Failed,
            PollOutcome::NotFound(_) => Self::Gone,
            PollOutcome::Refused(..) | PollOutcome::Trouble(_) => Self::Unknown,
        }
    }
}

/// Where it is looked.
pub trait Lookup: Send {
    /// The account's list.
    fn listing(&self) -> &Listing;

    /// Gets a list that was asked for in this turn, unless that one is.
    fn renew(&mut self) -> impl Future<Output = Result<Result<(), NoList>, StoreError>> + Send;

    /// What is recorded of a name.
    fn ledger(
        &mut self,
        name: &str,
    ) -> impl Future<Output = Result<LedgerFacts, StoreError>> + Send;

    /// Which of `ids` are not for this job.
    fn excluded(
        &mut self,
        ids: &[ParserId],
        job: &Job,
    ) -> impl Future<Output = Result<HashSet<ParserId>, StoreError>> + Send;

    /// Whether a parser is known to be another's than this job's: another job's, or made by a
    /// create of another name.
    fn is_anothers(
        &mut self,
        id: &ParserId,
        job: &Job,
        remote_name: &str,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Asks for one parser by its id, which costs nothing.
    fn ask(
        &mut self,
        id: &ParserId,
    ) -> impl Future<Output = Result<Result<Standing, NoList>, StoreError>> + Send;
}

/// What a QUEUED job's turn comes to, as far as list, ledger and questions tell.
///
/// # Errors
/// Whatever the database says.
pub async fn plan<L: Lookup>(
    look: &mut L,
    job: &Job,
    spec: &JobSpec,
    naming: Naming,
) -> Result<Result<Plan, NoList>, StoreError> {
    if job.is_adoption() {
        return adoption(look, job).await;
    }
    if let Some(plan) = formerly(look, job, spec, naming).await? {
        return Ok(plan);
    }
    let mut recreation = first_recreation(job, naming);
    let last_recreation = job.progress.recreation.saturating_add(MAX_RECREATIONS);
    loop {
        let remote_name = name(spec, recreation, naming);
        let ledger = look.ledger(&remote_name).await?;
        // A name that was sent before may have landed since the list was taken.
        if ledger.was_sent
            && let Err(none) = look.renew().await?
        {
            return Ok(Err(none));
        }
        let named = cloned(look.listing().bearing(&remote_name));
        let cut = cloned(look.listing().cut_from(&remote_name));
        let listed = named.iter().chain(&cut).map(|parser| parser.id.clone());
        let baseline: Vec<_> = listed.chain(ledger.made.iter().cloned()).collect();
        let excluded = look.excluded(&baseline, job).await?;
        let known = NameFacts {
            remote_name: &remote_name,
            named: &named,
            cut: &cut,
            excluded: &excluded,
            ledger: &ledger,
            is_former: recreation < job.progress.recreation,
            may_rename: naming.name_tag && recreation < last_recreation,
            wants_new: naming.wants_new,
        };
        let presence = match known.finding() {
            Finding::Use(presence) => Some(presence),
            Finding::NextName => None,
            Finding::Ask => match paid_for(look, &known).await? {
                Ok(paid_for) => known.after_asking(paid_for),
                Err(none) => return Ok(Err(none)),
            },
        };
        let Some(presence) = presence else {
            recreation += 1;
            continue;
        };
        let is_listed_whole = look.listing().distrust.is_none();
        let kin = kin(look, job, &presence, &remote_name, naming).await?;
        let (presence, remote_name) = kin.unwrap_or((presence, remote_name));
        return Ok(Ok(Plan {
            presence,
            remote_name,
            recreation,
            baseline,
            is_listed_whole,
        }));
    }
}

/// The parser that a job is to adopt and nothing else: nothing is ever created for it.
async fn adoption<L: Lookup>(look: &mut L, job: &Job) -> Result<Result<Plan, NoList>, StoreError> {
    let Some(id) = job.progress.parser_id.clone() else {
        return Ok(Err(NoList::Trouble(ErrorDetail::default())));
    };
    let standing = match look.ask(&id).await? {
        Ok(standing) => standing,
        Err(none) => return Ok(Err(none)),
    };
    let excluded = look.excluded(std::slice::from_ref(&id), job).await?;
    let presence = match standing {
        Standing::Gone => Presence::Lost(id),
        _ if excluded.contains(&id) => Presence::Taken(id),
        // What became of a FAILED one is told by its poll.
        Standing::Usable | Standing::Failed => {
            let version = look.listing().version_of(&id);
            Presence::Meant(id, version)
        }
        Standing::Unknown => Presence::Inconclusive,
    };
    Ok(Ok(Plan {
        presence,
        remote_name: job.name.clone(),
        recreation: job.progress.recreation,
        baseline: Vec::new(),
        is_listed_whole: look.listing().distrust.is_none(),
    }))
}

/// A parser of this job's name under another tag, of which this database knows nothing: one that
/// was lost made it, and the job asked for something else then. With the name that it bears.
async fn kin<L: Lookup>(
    look: &mut L,
    job: &Job,
    presence: &Presence,
    remote_name: &str,
    naming: Naming,
) -> Result<Option<(Presence, String)>, StoreError> {
    if *presence != Presence::Absent || !naming.name_tag || naming.wants_new {
        return Ok(None);
    }
    let listed = cloned(look.listing().of_job(&job.name));
    let ids: Vec<_> = listed.iter().map(|parser| parser.id.clone()).collect();
    if ids.is_empty() {
        return Ok(None);
    }
    let excluded = look.excluded(&ids, job).await?;
    let mut kin = Vec::new();
    for parser in listed {
        let is_other = parser.failed
            || excluded.contains(&parser.id)
            || look.is_anothers(&parser.id, job, remote_name).await?;
        if !is_other {
            kin.push(parser);
        }
    }
    Ok(match kin.as_slice() {
        [] => None,
        [parser] if base_of(&parser.name) == Some(job.name.as_str()) => {
            let name = parser.name.clone();
            Some((Presence::One(parser.clone()), name))
        }
        _ => Some((Presence::Several(kin), remote_name.to_owned())),
    })
}

/// What a turn comes to by the parser that the job had before, where that one counts.
async fn formerly<L: Lookup>(
    look: &mut L,
    job: &Job,
    spec: &JobSpec,
    naming: Naming,
) -> Result<Option<Result<Plan, NoList>>, StoreError> {
    let former = former(look, job, naming).await?;
    Ok(former.transpose().map(|presence| {
        let recreation = job.progress.recreation;
        let sent = job.progress.remote_name.clone();
        presence.map(|presence| Plan {
            presence,
            remote_name: sent.unwrap_or_else(|| name(spec, recreation, naming)),
            recreation,
            baseline: Vec::new(),
            is_listed_whole: look.listing().distrust.is_none(),
        })
    }))
}

/// What became of the parser that the job had before; none where it had none, or where that
/// one can be used no more.
async fn former<L: Lookup>(
    look: &mut L,
    job: &Job,
    naming: Naming,
) -> Result<Result<Option<Presence>, NoList>, StoreError> {
    let Some(id) = &job.progress.parser_id else {
        return Ok(Ok(None));
    };
    if !naming.rules.keep(Rule::FormerParser) {
        return Ok(Ok(None));
    }
    Ok(look.ask(id).await?.map(|standing| match standing {
        Standing::Usable => Some(Presence::Own(id.clone())),
        Standing::Unknown => Some(Presence::Inconclusive),
        Standing::Failed | Standing::Gone => None,
    }))
}

/// The first name that is looked at: one of those that the job had before, whose parsers
/// may turn out to be of use after all.
fn first_recreation(job: &Job, naming: Naming) -> i64 {
    let own = job.progress.recreation;
    if naming.wants_new || !naming.name_tag || !naming.rules.keep(Rule::FormerParser) {
        return own;
    }
    own.saturating_sub(MAX_FORMER_NAMES).max(0).min(own)
}

fn name(spec: &JobSpec, recreation: i64, naming: Naming) -> String {
    let recreation = u32::try_from(recreation).unwrap_or(u32::MAX);
    spec.remote_name(recreation, naming.name_tag)
}

fn cloned(parsers: Vec<&ListedParser>) -> Vec<ListedParser> {
    parsers.into_iter().cloned().collect()
}

/// What became of parsers that the ledger has under a name and the list has not: each is
/// asked for by its id, since a list may lag or be partial. So are those that were
/// answered 404 before: a question costs nothing.
async fn paid_for<L: Lookup>(
    look: &mut L,
    known: &NameFacts<'_>,
) -> Result<Result<PaidFor, NoList>, StoreError> {
    let mut found = PaidFor::Nothing;
    for id in known.to_ask() {
        match look.ask(id).await? {
            Ok(Standing::Usable) => return Ok(Ok(PaidFor::Usable(id.clone()))),
            Ok(Standing::Failed) => found = PaidFor::Failed,
            Ok(Standing::Gone) => {}
            Ok(Standing::Unknown) => return Ok(Ok(PaidFor::Unknown)),
            Err(none) => return Ok(Err(none)),
        }
    }
    Ok(Ok(found))
}
