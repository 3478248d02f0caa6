//! What goes wrong with requests, and what is in the way of pages.

/// Of creates that are seen late; one a run at most, since several would add up to more
/// than the settling times allow.
pub(super) const LATE: &[&str] = &[
    "create status=500 land-late=20s p=0.5",
    "create lose land-late=4m p=0.5",
    "create lose after show-late=4m nth=1 per-name",
    "create delay=80s p=0.5",
    "create unreadable show-late=3m p=0.5",
];

/// Of a gateway, after which the create still lands.
pub(super) const GATEWAY: &[&str] = &[
    "create status=504 land-late=4m p=0.5",
    "create status=524 land-late=4m nth=1 per-name",
    "create status=502 after show-late=3m p=0.5",
    "create status=408 land-late=4m p=0.5",
];

/// What the service makes of names.
pub(super) const ALTER: &[&str] = &[
    "create lose after alter-name=slug p=0.5",
    "create alter-name=slug",
    "create lose after alter-name=cut:7 p=0.5",
    "create status=504 after alter-name=cut:12 p=0.5",
    "create alter-name=suffix:-1",
    "create lose after alter-name=cut:3 nth=1 per-name",
];

/// The same where an old copy of the database is put in place: it has forgotten the names that
/// were sent, so a cut must leave as much as is looked for.
pub(super) const ALTER_RESTORED: &[&str] = &[
    "create lose after alter-name=slug p=0.5",
    "create alter-name=slug",
    "create lose after alter-name=cut:12 p=0.5",
    "create status=504 after alter-name=cut:12 p=0.5",
    "create alter-name=suffix:-1",
    "create lose after alter-name=cut:12 nth=1 per-name",
];

/// Of lists that lag: no short settling time there.
pub(super) const LAG: &[&str] = &[
    "create status=500 after show-late=4m p=0.5",
    "create status=500 after show-late=10m nth=1 per-name",
];

pub(super) const CREATE: &[&str] = &[
    "create status=500 p=0.5",
    "create status=500 after p=0.5",
    "create lose after p=0.5",
    "create lose before p=0.5",
    "create status=503 nth=1-2",
    "create unreadable p=0.5",
    "create missing=id p=0.5",
    "create cut p=0.5",
    "create status=402 nth=2-4",
    "create status=402 p=0.4",
    "create status=401 nth=1-2",
    "create status=429 retry-after=30s p=0.4",
    "create status=400 nth=1",
    "create status=302 nth=1",
    "create status=400 nth=2-9",
    "create status=503 retry-after=30s p=0.4",
    "create status=503 retry-after=30s after p=0.4",
    "create fail=boom p=0.4",
    "create fail=blocked p=0.4",
    "create generation=40m nth=1",
    "create generation=0ms",
];

/// Generations that FAIL, of which most call for something.
pub(super) const FAIL: &[&str] = &[
    "create fail=blocked",
    "create fail=blocked p=0.6",
    "create fail=javascript p=0.6",
    "create fail=blocked nth=1 per-name",
    "create fail=boom p=0.4",
];

/// Of requests that change or delete a parser.
pub(super) const PATCH: &[&str] = &[
    "patch status=500 p=0.5",
    "patch status=500 after p=0.5",
    "patch lose after p=0.5",
    "patch lose before p=0.5",
    "patch lose land-late=4m p=0.5",
    "patch status=504 land-late=4m p=0.5",
    "patch lose after show-late=4m p=0.5",
    "patch show-late=3m p=0.5",
    "patch unreadable p=0.5",
    "patch missing=version p=0.5",
    "patch status=402 nth=1-3",
    "patch status=429 retry-after=30s p=0.4",
    "patch status=503 retry-after=30s after p=0.4",
    "patch status=400 nth=1",
    "patch base=conflict",
    "patch fail=boom p=0.4",
    "patch generation=40m nth=1",
    "delete lose after p=0.5",
    "delete status=500 p=0.5",
    "delete lose land-late=4m p=0.5",
];

pub(super) const READ: &[&str] = &[
    "get status=500 p=0.4",
    "get lose p=0.4",
    "get status=404 nth=1-2",
    "get unreadable p=0.3",
    "get status=402 nth=1-2",
    "get status=429 p=0.3",
    "list status=500 p=0.4",
    "list lose p=0.4",
    "list unreadable p=0.3",
    "list status=401 nth=2-3",
    "list delay=80s nth=1-2",
    "list status=404 p=0.3",
    "any status=503 from=0s until=5m",
    "any status=503 retry-after=1m from=0s until=5m",
    "list item=null p=0.4",
    "list missing=name p=0.4",
    "list status=200 body=null p=0.4",
    "get missing=example_result nth=1-3",
    "get result=page-empty p=0.5",
    "parse status=503 p=0.5",
    "parse lose after p=0.5",
];

/// Of fetches of example pages.
pub(super) const FETCH: &[&str] = &[
    "fetch lose after p=0.5",
    "fetch lose before p=0.5",
    "fetch lose after p=0.9",
    "fetch status=500 p=0.5",
    "fetch status=503 p=0.5",
    "fetch status=429 retry-after=30s p=0.4",
    "fetch status=401 nth=1-2",
    "fetch status=402 nth=1-2",
    "fetch status=403 p=0.3",
    "fetch status=404 p=0.3",
    "fetch cut p=0.5",
    "fetch delay=80s p=0.5",
];

/// Pages that nothing is in the way of.
pub(super) const PLAIN: &[&str] = &[""];

/// What is in the way of a page, by the text of its URL (`simulator/pages.rs`).
pub(super) const IN_THE_WAY: &[&str] = &[
    "",
    "",
    "",
    "blocked",
    "blocked",
    "needs-js",
    "needs-js",
    "blocked-needs-js",
    "ultra-blocked",
    "challenge",
    "page-gone",
    "unreachable",
    "login",
    "mixed",
    "consent",
    "not-html",
];
