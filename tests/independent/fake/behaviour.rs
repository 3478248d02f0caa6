//! What the fake does to whom.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use super::changes::Changes;
use unicode_normalization::UnicodeNormalization;

/// What the service does to a name before it stores it.
#[derive(Clone, Debug)]
pub enum Alter {
    HtmlEscape,
    Trim,
    Collapse,
    Nfc,
    Nfd,
    Lower,
    CutChars(usize),
    CutBytes(usize),
    NoAscii(char),
    Suffix(&'static str),
    Prefix(&'static str),
    Upper,
    Replace(&'static str, &'static str),
}

impl Alter {
    pub(super) fn apply(&self, name: &str) -> String {
        match self {
            Self::HtmlEscape => {
                let mut out = String::new();
                for c in name.chars() {
                    match c {
                        '&' => out.push_str("&amp;"),
                        '<' => out.push_str("&lt;"),
                        '>' => out.push_str("&gt;"),
                        '"' => out.push_str("&quot;"),
                        '\'' => out.push_str("&#39;"),
                        c => out.push(c),
                    }
                }
                out
            }
            Self::Trim => name.trim().to_owned(),
            Self::Collapse => name.split_whitespace().collect::<Vec<_>>().join(" "),
            Self::Nfc => name.nfc().collect(),
            Self::Nfd => name.nfd().collect(),
            Self::Lower => name.to_lowercase(),
            Self::CutChars(n) => name.chars().take(*n).collect(),
            Self::CutBytes(n) => {
                let cut = &name.as_bytes()[..name.len().min(*n)];
                String::from_utf8_lossy(cut).into_owned()
            }
            Self::NoAscii(with) => name
                .chars()
                .map(|c| if c.is_ascii() { c } else { *with })
                .collect(),
            Self::Suffix(text) => format!("{name}{text}"),
            Self::Prefix(text) => format!("{text}{name}"),
            Self::Upper => name.to_uppercase(),
            Self::Replace(what, with) => name.replace(what, with),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    Create,
    Get,
    List,
    Patch,
    Delete,
}

/// Whether a create that a rule is about makes a parser, or a change takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    Nothing,
    Now,
    /// So long after the request came, whatever was answered meanwhile.
    Later(Duration),
    /// Two parsers for one request.
    Twice,
}

#[derive(Clone, Debug)]
pub enum Reply {
    /// As if there were no rule.
    Usual,
    /// The connection ends without an answer.
    Lost,
    Fixed {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
    /// A create's usual answer, with this id instead of the parser's.
    WrongId(String),
}

pub fn fixed(status: u16, body: &str) -> Reply {
    Reply::Fixed {
        status,
        headers: Vec::new(),
        body: body.to_owned(),
    }
}

/// What happens to some requests. The first rule that fits a request counts.
#[derive(Clone, Debug)]
pub struct Rule {
    pub call: Call,
    /// Text in the name that was sent; any, if empty.
    pub about: String,
    /// How many more requests it is for.
    pub times: usize,
    pub effect: Effect,
    /// How long the answer is held back.
    pub hold: Duration,
    pub reply: Reply,
}

impl Rule {
    pub fn create(about: &str, effect: Effect, reply: Reply) -> Self {
        Self {
            call: Call::Create,
            about: about.to_owned(),
            times: 1,
            effect,
            hold: Duration::ZERO,
            reply,
        }
    }

    pub fn get(about: &str, reply: Reply) -> Self {
        Self {
            call: Call::Get,
            ..Self::create(about, Effect::Nothing, reply)
        }
    }

    /// A PATCH or DELETE.
    pub fn change(call: Call, effect: Effect, reply: Reply) -> Self {
        Self {
            call,
            ..Self::create("", effect, reply)
        }
    }

    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    pub fn always(self) -> Self {
        self.times(usize::MAX)
    }

    pub fn hold(mut self, hold: Duration) -> Self {
        self.hold = hold;
        self
    }
}

/// How the list is written.
#[derive(Clone, Debug, Default)]
pub enum ListShape {
    #[default]
    Array,
    /// These raw items stand before the true ones.
    With(Vec<String>),
    /// Every parser twice: its versions 0 and 1.
    Versions,
    /// Every item twice, word for word.
    Doubled,
    /// The first so many only, and a `Link` header.
    Page(usize),
    /// A byte order mark first.
    Bom,
    /// This, whatever there is.
    Raw(String),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ids {
    #[default]
    Text,
    Number,
    /// Upper case in the list and in a GET, as sent in the create's answer.
    UpperLater,
    /// The create's answer says `parsers/ID`.
    Path,
    /// With characters that mean something in a URL.
    Odd,
}

#[derive(Clone, Debug)]
pub struct Behaviour {
    /// For names that hold the text: what is done to them, in this order.
    pub names: Vec<(&'static str, Vec<Alter>)>,
    pub list_lag: Duration,
    pub get_lag: Duration,
    pub generation: Duration,
    /// A parser whose sent name holds one of these FAILs.
    pub fails: Vec<&'static str>,
    /// The list says GENERATING of all, for ever.
    pub list_status_stuck: bool,
    pub rules: Vec<Rule>,
    pub list: ListShape,
    pub ids: Ids,
    /// By text in the sent name: the raw item of the list, in which `ID` stands for the id.
    pub items: Vec<(&'static str, &'static str)>,
    /// By text in the sent name: the raw bytes of `example_result`.
    pub examples: Vec<(&'static str, Vec<u8>)>,
    /// By text in the sent name: how many answers of FINISHED lack the examples.
    pub examples_late: BTreeMap<&'static str, usize>,
    pub finished: &'static str,
    pub changes: Changes,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            names: Vec::new(),
            list_lag: Duration::ZERO,
            get_lag: Duration::ZERO,
            generation: Duration::from_millis(30),
            fails: Vec::new(),
            list_status_stuck: false,
            rules: Vec::new(),
            list: ListShape::Array,
            ids: Ids::Text,
            items: Vec::new(),
            examples: Vec::new(),
            examples_late: BTreeMap::new(),
            finished: "FINISHED",
            changes: Changes::default(),
        }
    }
}

/// RFC 3339 with milliseconds, by the civil-from-days algorithm.
pub(super) fn rfc3339(at: SystemTime) -> String {
    let ms = at
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_millis() as i64;
    let (days, rest) = (ms / 86_400_000, ms % 86_400_000);
    let z = days + 719_468;
    let (era, doe) = (z / 146_097, z % 146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (
        doy - (153 * mp + 2) / 5 + 1,
        if mp < 10 { mp + 3 } else { mp - 9 },
    );
    let year = yoe + era * 400 + i64::from(month <= 2);
    let (h, m, s, milli) = (
        rest / 3_600_000,
        rest / 60_000 % 60,
        rest / 1000 % 60,
        rest % 1000,
    );
    format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{milli:03}Z")
}
