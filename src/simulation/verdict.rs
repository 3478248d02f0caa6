//! What a look comes to: nothing, or what does not hold.

pub(super) type Verdict = Result<(), String>;

macro_rules! holds {
    ($condition:expr, $($why:tt)*) => {
        if !$condition {
            return Err(format!($($why)*));
        }
    };
}

pub(super) use holds;
