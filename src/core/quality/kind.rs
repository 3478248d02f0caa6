//! PURE: what sorts of JSON value there are.

/// A sort of JSON value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    Boolean,
    Number,
    String,
    Array,
    Object,
}

/// Those that were seen, in this order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Kinds([bool; 6]);

impl Kind {
    const ALL: [Self; 6] = [
        Self::Null,
        Self::Boolean,
        Self::Number,
        Self::String,
        Self::Array,
        Self::Object,
    ];

    /// As JSON's own words have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }
}

impl Kinds {
    pub fn add(&mut self, kind: Kind) {
        self.0[kind as usize] = true;
    }

    pub fn seen(self) -> Vec<Kind> {
        let all = Kind::ALL.into_iter();
        all.filter(|kind| self.0[*kind as usize]).collect()
    }
}
