//! What strace wrote of a run, call by call, with `-f -yy -xx`.

use std::collections::HashMap;

/// The calls to ask strace for: all by which a file or a directory changes, becomes
/// durable, or bytes go to the service and come back.
pub const CALLS: &str = "--trace=openat,creat,open,write,writev,pwrite64,pwritev,pwritev2,\
     ftruncate,truncate,fallocate,copy_file_range,fsync,fdatasync,sync_file_range,msync,unlink,\
     unlinkat,rename,renameat,renameat2,link,linkat,sendto,sendmsg,sendmmsg,recvfrom";

/// One call that succeeded.
#[derive(Debug)]
pub struct Call {
    pub name: String,
    /// When it was entered, and when it returned: places in the order of all calls.
    pub begun: usize,
    pub done: usize,
    /// What stood between its brackets, as strace writes it.
    pub args: String,
    /// What it returned; of a new descriptor, with its path.
    pub result: String,
}

impl Call {
    /// The path of the file descriptor that is its first argument.
    pub fn path(&self) -> String {
        angled(&self.args)
    }

    /// The path of the descriptor that it returned.
    pub fn opened(&self) -> String {
        angled(&self.result)
    }

    /// All its strings, one after the other.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for quoted in self.args.split('"').skip(1).step_by(2) {
            unescape(quoted, &mut bytes);
        }
        bytes
    }

    /// Its last argument, a number.
    pub fn last_number(&self) -> u64 {
        let last = self.args.rsplit(", ").next().unwrap_or_default();
        last.parse()
            .unwrap_or_else(|_| panic!("no number at the end of {}", self.name))
    }

    /// The number that it returned.
    pub fn returned(&self) -> usize {
        let number = self.result.split(['<', ' ']).next().unwrap_or_default();
        number
            .parse()
            .unwrap_or_else(|_| panic!("{} returned {}", self.name, self.result))
    }
}

/// The calls that succeeded, in the order of their returns. `first`: the place of the
/// first line. A call that never returned is not there.
pub fn calls(trace: &str, first: usize) -> Vec<Call> {
    let mut unfinished: HashMap<&str, (usize, &str)> = HashMap::new();
    let mut calls = Vec::new();
    for (nth, line) in trace.lines().enumerate() {
        let place = first + nth;
        let (thread, what) = line.split_once(' ').unwrap_or((line, ""));
        let what = what.trim_start();
        if what.starts_with("+++") || what.starts_with("---") {
            continue;
        }
        if let Some(start) = what.strip_suffix(" <unfinished ...>") {
            unfinished.insert(thread, (place, start));
            continue;
        }
        let whole = if what.starts_with("<...") {
            let (begun, start) = unfinished
                .remove(thread)
                .unwrap_or_else(|| panic!("resumed and never begun: {}", head(line)));
            let (_, end) = what
                .split_once(" resumed>")
                .unwrap_or_else(|| panic!("not understood: {}", head(line)));
            (begun, format!("{start}{end}"))
        } else {
            (place, what.to_owned())
        };
        calls.extend(call(whole.0, place, &whole.1));
    }
    calls
}

fn call(begun: usize, done: usize, text: &str) -> Option<Call> {
    // No string holds these: with -xx all of their bytes are numbers.
    let (name, rest) = text.split_once('(')?;
    let (call, result) = rest.rsplit_once(" = ")?;
    let args = call.trim_end().strip_suffix(')')?;
    let failed = result.starts_with('-') || result.starts_with('?');
    (!failed).then(|| Call {
        name: name.to_owned(),
        begun,
        done,
        args: args.to_owned(),
        result: result.to_owned(),
    })
}

fn head(line: &str) -> &str {
    line.get(..200).unwrap_or(line)
}

/// What stands in the first pair of angled brackets; an address has an arrow in it.
fn angled(text: &str) -> String {
    let Some((_, rest)) = text.split_once('<') else {
        return String::new();
    };
    let inside = rest.replace("->", "-\u{2192}");
    let inside = inside.split('>').next().unwrap_or_default();
    let mut bytes = Vec::new();
    unescape(inside, &mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Bytes written as `\x6a`; what is not written so stands for itself.
fn unescape(text: &str, into: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    into.reserve(rest.len() / 4);
    loop {
        match rest {
            [b'\\', b'x', high, low, more @ ..] => {
                into.push(digit(*high) << 4 | digit(*low));
                rest = more;
            }
            [byte, more @ ..] => {
                into.push(*byte);
                rest = more;
            }
            [] => return,
        }
    }
}

fn digit(character: u8) -> u8 {
    match character {
        b'0'..=b'9' => character - b'0',
        b'a'..=b'f' => character - b'a' + 10,
        _ => panic!("{character} is no hexadecimal digit"),
    }
}

#[test]
fn a_call_that_another_interrupts_is_one_call() {
    let trace = "1  pwrite64(3<\\x2f\\x61>, \"\\x00\\x41\", 2, 512 <unfinished ...>\n\
                 2  fsync(4<\\x2f\\x62>) = 0\n\
                 1  <... pwrite64 resumed>)             = 2\n\
                 2  unlink(\"\\x2f\\x62\") = -1 ENOENT (No such file or directory)\n";
    let calls = calls(trace, 10);
    let seen: Vec<_> = calls
        .iter()
        .map(|call| (call.name.as_str(), call.path(), call.begun, call.done))
        .collect();
    assert_eq!(
        seen,
        [
            ("fsync", "/b".to_owned(), 11, 11),
            ("pwrite64", "/a".to_owned(), 10, 12)
        ]
    );
    assert_eq!(
        (calls[1].bytes(), calls[1].last_number()),
        (vec![0, b'A'], 512)
    );
}
