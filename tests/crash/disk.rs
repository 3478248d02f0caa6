//! What a power cut may leave of files that were written to, and synced now and then.
//!
//! Certain is what a completed `fsync` covers: of a file, the writes that had returned
//! when it was called; of the directory, the names. Of the rest, any part may be there, a
//! write torn at sectors, and each name may stand as it was or for any later file.

use std::{collections::BTreeMap, path::Path};

use super::trace::Call;

const SECTOR: u64 = 512;

/// The place of the first call; what was there before it is certain.
pub const FIRST_PLACE: usize = 1;
const AT_FIRST: Span = Span { begun: 0, done: 0 };

/// The files of one directory, as calls changed them.
#[derive(Debug, Default)]
pub struct Disk {
    files: Vec<FileLog>,
    /// What each name came to stand for, in order.
    names: BTreeMap<String, Vec<Naming>>,
    directory_syncs: Vec<Span>,
}

#[derive(Debug, Default)]
struct FileLog {
    changes: Vec<(Span, Change)>,
    syncs: Vec<Span>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    begun: usize,
    done: usize,
}

#[derive(Debug)]
enum Change {
    Write { at: u64, bytes: Vec<u8> },
    Length(u64),
}

#[derive(Debug)]
struct Naming {
    span: Span,
    file: Option<usize>,
}

/// Which syncs are taken at their word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syncs {
    All,
    /// None of a file after this place.
    NoFileAfter(usize),
    /// None of the directory after this place.
    NoDirectoryAfter(usize),
    /// Of SQLite's log all but the last one before the cut, as if each came a commit late.
    LogOneLate,
}

impl Disk {
    /// With the files of a directory whose names begin with `prefix`, all of them certain.
    pub fn of(directory: &Path, prefix: &str) -> Self {
        let mut disk = Self::default();
        for entry in std::fs::read_dir(directory).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.starts_with(prefix) {
                let bytes = std::fs::read(directory.join(&name)).unwrap();
                disk.files.push(FileLog {
                    changes: vec![(AT_FIRST, Change::Write { at: 0, bytes })],
                    syncs: Vec::new(),
                });
                disk.name(name, AT_FIRST, Some(disk.files.len() - 1));
            }
        }
        disk
    }

    /// Takes in a call, if it concerns a file of `directory` whose name begins with
    /// `prefix`; SQLite's shared memory does not outlive a boot.
    pub fn take(&mut self, call: &Call, directory: &Path, prefix: &str) {
        let span = Span {
            begun: call.begun,
            done: call.done,
        };
        let name_of = |path: &str| {
            let path = Path::new(path);
            let name = path.file_name()?.to_str()?;
            let ours = path.parent().and_then(Path::file_name) == directory.file_name()
                && name.starts_with(prefix)
                && !name.ends_with("-shm")
                && !name.ends_with(".lock");
            ours.then(|| name.to_owned())
        };
        match call.name.as_str() {
            "openat" => {
                if let Some(name) = name_of(&call.opened()) {
                    assert!(!call.args.contains("O_TRUNC"), "{name} is cut off by open");
                    if call.args.contains("O_CREAT") && self.named(&name).is_none() {
                        self.files.push(FileLog::default());
                        self.name(name, span, Some(self.files.len() - 1));
                    }
                }
            }
            "unlink" => {
                if let Some(name) = name_of(&String::from_utf8_lossy(&call.bytes())) {
                    self.name(name, span, None);
                }
            }
            "pwrite64" => {
                if let Some(file) = self.file(name_of(&call.path())) {
                    let mut bytes = call.bytes();
                    bytes.truncate(call.returned());
                    let at = call.last_number();
                    file.changes.push((span, Change::Write { at, bytes }));
                }
            }
            "ftruncate" => {
                if let Some(file) = self.file(name_of(&call.path())) {
                    let length = Change::Length(call.last_number());
                    file.changes.push((span, length));
                }
            }
            "fsync" | "fdatasync" => {
                if Path::new(&call.path()).file_name() == directory.file_name() {
                    self.directory_syncs.push(span);
                } else if let Some(file) = self.file(name_of(&call.path())) {
                    file.syncs.push(span);
                }
            }
            "recvfrom" => {}
            other => {
                // Else the record would be wrong without a word.
                let strange = name_of(&call.path()).or_else(|| {
                    let renamed = other.contains("rename") || other.contains("link");
                    renamed.then(|| name_of(&String::from_utf8_lossy(&call.bytes())))?
                });
                assert_eq!(strange, None, "{other} is not understood here");
            }
        }
    }

    fn name(&mut self, name: String, span: Span, file: Option<usize>) {
        let namings = self.names.entry(name).or_default();
        namings.push(Naming { span, file });
    }

    fn named(&self, name: &str) -> Option<usize> {
        self.names.get(name)?.last()?.file
    }

    fn file(&mut self, name: Option<String>) -> Option<&mut FileLog> {
        let name = name?;
        let Some(file) = self.named(&name) else {
            panic!("{name} is written to and not there");
        };
        Some(&mut self.files[file])
    }

    /// Every place at which a file, a name or what is durable of them changes.
    pub fn places(&self) -> Vec<usize> {
        let files = self.files.iter().flat_map(|file| {
            let changes = file.changes.iter().map(|(span, _)| span);
            changes.chain(&file.syncs)
        });
        let names = self.names.values().flatten().map(|naming| &naming.span);
        let spans = files.chain(names).chain(&self.directory_syncs);
        let mut places: Vec<usize> = spans.flat_map(|span| [span.begun, span.done]).collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    /// How many changes of the file of this name begin in this range.
    pub fn changes_of(&self, name: &str, range: std::ops::Range<usize>) -> usize {
        let file = self.named(name).map(|file| &self.files[file]);
        let changes = file.map_or(&[][..], |file| &file.changes);
        changes
            .iter()
            .filter(|(span, _)| range.contains(&span.begun))
            .count()
    }

    /// Writes the directory as it may be found after a cut just before `cut`.
    pub fn write_image(&self, to: &Path, cut: usize, syncs: Syncs, random: &mut fastrand::Rng) {
        // How much of what was not synced came to the disk, from nothing to all.
        let kept = [0.0, 0.1, 0.5, 0.9, 1.0][random.usize(0..5)];
        for (name, namings) in &self.names {
            let of_directory = match syncs {
                Syncs::NoDirectoryAfter(place) => place.min(cut),
                _ => cut,
            };
            let covered = covered(&self.directory_syncs, of_directory, 0);
            if let Some(file) = found(namings, cut, covered, kept, random) {
                let file = &self.files[file];
                let covered = match syncs {
                    Syncs::NoFileAfter(place) => self::covered(&file.syncs, place.min(cut), 0),
                    Syncs::LogOneLate if name.ends_with("-wal") => {
                        self::covered(&file.syncs, cut, 1)
                    }
                    _ => self::covered(&file.syncs, cut, 0),
                };
                let bytes = file.bytes(cut, covered, kept, random);
                std::fs::write(to.join(name), bytes).unwrap();
            }
        }
    }
}

/// What a name stands for after the cut.
fn found(
    namings: &[Naming],
    cut: usize,
    covered: usize,
    kept: f64,
    random: &mut fastrand::Rng,
) -> Option<usize> {
    let mut file = None;
    for naming in namings.iter().filter(|naming| naming.span.begun < cut) {
        if naming.span.done < covered || random.f64() < kept {
            file = naming.file;
        }
    }
    file
}

impl FileLog {
    fn bytes(&self, cut: usize, covered: usize, kept: f64, random: &mut fastrand::Rng) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (span, change) in self.changes.iter().filter(|(span, _)| span.begun < cut) {
            let certain = span.done < covered;
            if !certain && random.f64() >= kept {
                continue;
            }
            match change {
                Change::Length(length) => bytes.resize(size(*length), 0),
                Change::Write { at, bytes: new }
                    if certain || kept >= 1.0 || random.u8(0..4) > 0 =>
                {
                    put(&mut bytes, *at, new);
                }
                Change::Write { at, bytes: new } => put_torn(&mut bytes, *at, new, random),
            }
        }
        bytes
    }
}

/// The place before which all that had returned is durable at the cut, without the last
/// `but` syncs.
fn covered(syncs: &[Span], cut: usize, but: usize) -> usize {
    let done = syncs.iter().filter(|sync| sync.done < cut);
    done.rev().nth(but).map_or(FIRST_PLACE, |sync| sync.begun)
}

fn put(file: &mut Vec<u8>, at: u64, new: &[u8]) {
    let from = size(at);
    let to = from + new.len();
    if file.len() < to {
        file.resize(to, 0);
    }
    file[from..to].copy_from_slice(new);
}

/// Each sector by itself comes to the disk or does not.
fn put_torn(file: &mut Vec<u8>, at: u64, new: &[u8], random: &mut fastrand::Rng) {
    let mut rest = new;
    let mut at = at;
    while !rest.is_empty() {
        let (sector, more) = rest.split_at(rest.len().min(size(SECTOR - at % SECTOR)));
        if random.bool() {
            put(file, at, sector);
        }
        at += sector.len() as u64;
        rest = more;
    }
}

fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap()
}
