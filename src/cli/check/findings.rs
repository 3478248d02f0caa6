//! What a check found, a line each.

use serde::Serialize;

use crate::cli::Exit;
use crate::core::text::escaped;
use crate::{
    cli::{
        fold,
        output::{Out, print_message},
    },
    present::format::count,
};

/// What goes on of a finding begins below its words.
const INDENT: usize = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Ok,
    Warn,
    Fail,
}

#[derive(Debug, Serialize)]
struct CheckFinding {
    check: &'static str,
    level: Level,
    /// What is the case, or the cause of a fault.
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    cure: Option<String>,
}

#[derive(Debug, Serialize)]
struct CheckReport {
    ok: bool,
    checks: Vec<CheckFinding>,
}

/// Collects findings, and prints them.
#[derive(Debug, Default)]
pub(super) struct Checker {
    out: Out,
    json: bool,
    findings: Vec<CheckFinding>,
}

impl Checker {
    pub(super) fn new(json: bool) -> Self {
        Self {
            json,
            out: Out::of_verdict(),
            ..Self::default()
        }
    }

    /// Notes a finding, and prints it at once: the next may take its time.
    pub(super) fn note(
        &mut self,
        check: &'static str,
        level: Level,
        detail: impl AsRef<str>,
        cure: Option<&str>,
    ) -> anyhow::Result<()> {
        let finding = CheckFinding {
            check,
            level,
            detail: escaped(detail.as_ref()),
            cure: cure.map(escaped),
        };
        if !self.json {
            let level = match level {
                Level::Ok => "ok  ",
                Level::Warn => "warn",
                Level::Fail => "FAIL",
            };
            let line = format!("{level} {check}: {}", finding.detail);
            self.out.line(&fold::text(fold::width(), &line, INDENT))?;
            if let Some(cure) = &finding.cure {
                let line = format!("{:INDENT$}cure: {cure}", "");
                self.out.line(&fold::text(fold::width(), &line, 2))?;
            }
            self.out.flush()?;
        }
        self.findings.push(finding);
        Ok(())
    }

    pub(super) fn ok(
        &mut self,
        check: &'static str,
        detail: impl AsRef<str>,
    ) -> anyhow::Result<()> {
        self.note(check, Level::Ok, detail, None)
    }

    pub(super) fn warn(
        &mut self,
        check: &'static str,
        detail: impl AsRef<str>,
        cure: &str,
    ) -> anyhow::Result<()> {
        self.note(check, Level::Warn, detail, Some(cure))
    }

    pub(super) fn fail(
        &mut self,
        check: &'static str,
        detail: impl AsRef<str>,
        cure: &str,
    ) -> anyhow::Result<()> {
        self.note(check, Level::Fail, detail, Some(cure))
    }

    pub(super) fn end(mut self, exit: Exit) -> anyhow::Result<Exit> {
        let of = |level| {
            self.findings
                .iter()
                .filter(|found| found.level == level)
                .count()
        };
        let (faults, warnings) = (of(Level::Fail), of(Level::Warn));
        let exit = if exit == Exit::Done && faults > 0 {
            Exit::Failed
        } else {
            exit
        };
        if self.json {
            self.out.json(&CheckReport {
                ok: faults == 0,
                checks: self.findings,
            })?;
        }
        self.out.flush()?;
        print_message(&match (faults, warnings) {
            (0, 0) => "all is well".to_owned(),
            _ => format!("{}, {}", count(faults, "fault"), count(warnings, "warning")),
        });
        Ok(exit)
    }
}
