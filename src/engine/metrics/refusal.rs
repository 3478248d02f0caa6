//! Why the page refuses.

/// Why a request to the page was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageRefusal {
    /// It came from another machine.
    OtherMachine,
    /// It named a host that is not this machine.
    ForeignHost,
    /// It was a form of another page's.
    ForeignForm,
    /// It came from nobody who is signed in.
    NotSignedIn,
    /// It offered a token that is none.
    WrongToken,
    /// Too many offered a token at once.
    Crowd,
}

impl PageRefusal {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::OtherMachine,
        Self::ForeignHost,
        Self::ForeignForm,
        Self::NotSignedIn,
        Self::WrongToken,
        Self::Crowd,
    ];

    /// As the metric has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OtherMachine => "other_machine",
            Self::ForeignHost => "foreign_host",
            Self::ForeignForm => "foreign_form",
            Self::NotSignedIn => "not_signed_in",
            Self::WrongToken => "wrong_token",
            Self::Crowd => "crowd",
        }
    }
}
