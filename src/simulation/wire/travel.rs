//! A request's way: sent, arrived, answered, or lost at one of these.

use tokio::sync::oneshot;

use super::{Answered, Packet, SURELY_KNOWN_MS, Sent};
use crate::{
    api::classify::{Body, BodyEnd, PageHead, RawAnswer, TransportFault},
    core::{job::UnixMs, page::READ_MAX_BYTES},
    simulation::{
        scenario::{Focus, LATEST_ARRIVAL_MS, REQUEST_TIMEOUT_MS},
        world::Sim,
    },
    simulator::{self, Delivery, Endpoint, HttpRequest},
};

fn failed(fault: TransportFault) -> Answered {
    (Err(fault), PageHead::default())
}

impl Sim {
    pub(super) fn send(
        &mut self,
        request: HttpRequest,
        sent: Option<Sent>,
    ) -> oneshot::Receiver<Answered> {
        let (answer, answered) = oneshot::channel();
        if self.is_down {
            match sent {
                Some(Sent::Post(post)) => self.books.posts[post].is_on_its_way = false,
                Some(Sent::Patch(patch)) => self.books.patches[patch].is_on_its_way = false,
                None => {}
            }
            let refused = failed(TransportFault::NotConnected("refused".to_owned()));
            self.packets.push(Packet {
                request,
                arrives_at: UnixMs::MAX,
                deadline: UnixMs::MAX,
                reply: Some((self.time, refused)),
                answer: Some(answer),
                sent: None,
                is_elsewhere: false,
            });
            return answered;
        }
        let takes_ms = if self.is_calm {
            20
        } else {
            let late = [20, 20, 20, 1, 500, 5_000, 60_000, LATEST_ARRIVAL_MS];
            let latest = [20, LATEST_ARRIVAL_MS];
            if sent.is_some() && self.plan.focus == Some(Focus::Freeze) {
                self.chance.of(&latest)
            } else {
                self.chance.of(&late)
            }
        };
        self.packets.push(Packet {
            request,
            arrives_at: self.time + takes_ms,
            deadline: self.time + REQUEST_TIMEOUT_MS,
            reply: None,
            answer: Some(answer),
            sent,
            is_elsewhere: self.is_elsewhere,
        });
        answered
    }

    /// The request arrives, or its answer, or its time is over. Returns whether somebody
    /// was told.
    pub fn advance_packet(&mut self, index: usize) -> bool {
        let time = self.time;
        let packet = &mut self.packets[index];
        if packet
            .answer
            .as_ref()
            .is_some_and(oneshot::Sender::is_closed)
        {
            packet.answer = None;
        }
        match packet.reply.take() {
            Some((at, reply)) if at <= time => {
                let packet = self.packets.remove(index);
                packet
                    .answer
                    .is_some_and(|answer| answer.send(reply).is_ok())
            }
            Some(later) if packet.answer.is_none() => {
                drop(later);
                self.packets.remove(index);
                false
            }
            None if packet.arrives_at <= time => {
                self.arrive(index);
                false
            }
            reply => {
                packet.reply = reply;
                let Some(answer) = packet.answer.take() else {
                    return false;
                };
                let timed_out = failed(TransportFault::TimedOut("timed out".to_owned()));
                answer.send(timed_out).is_ok()
            }
        }
    }

    /// How many versions there are of the parser that a PATCH changes.
    fn versions_for(&self, patch: usize) -> usize {
        let parser = &self.books.patches[patch].parser;
        let parser = self.service.world.parser(UnixMs::MAX, parser);
        parser.map_or(0, |parser| parser.versions)
    }

    fn patch_arrived(&mut self, patch: usize, versions: usize) {
        let now = self.versions_for(patch);
        let patch = &mut self.books.patches[patch];
        patch.is_on_its_way = false;
        if now > versions {
            patch.made = Some(now - 1);
        }
        let made = patch.made;
        self.note(|| format!("PATCH arrived, made {made:?}"));
    }

    fn arrive(&mut self, index: usize) {
        let packet = &self.packets[index];
        let (request, sent, is_elsewhere) =
            (packet.request.clone(), packet.sent, packet.is_elsewhere);
        let before = self.service.world.parsers(UnixMs::MAX).len();
        let versions = match sent {
            Some(Sent::Patch(patch)) => self.versions_for(patch),
            _ => 0,
        };
        let service = if is_elsewhere {
            &mut self.elsewhere
        } else {
            &mut self.service
        };
        let reply = service.respond(self.time, &request);
        if let Some(Sent::Patch(patch)) = sent {
            self.patch_arrived(patch, versions);
        }
        if let Some(Sent::Post(post)) = sent {
            let made = self.service.world.parsers(UnixMs::MAX);
            let post = &mut self.books.posts[post];
            post.is_on_its_way = false;
            if made.len() > before {
                post.made = made.last().map(|parser| parser.id.clone());
            }
            let made = post.made.clone();
            self.note(|| format!("POST arrived, made {made:?}"));
        }
        let (delay_ms, reply) = match reply {
            simulator::Reply::Lost { delay_ms, .. } => {
                let broken = TransportFault::Broken("reset".to_owned());
                (delay_ms, failed(broken))
            }
            simulator::Reply::HttpAnswer {
                answer,
                delivery,
                delay_ms,
            } => {
                let head = PageHead::of(|name| answer.header(name));
                let retry_after = answer.header("retry-after").map(str::to_owned);
                let status = answer.status;
                let mut bytes = answer.body;
                if request.endpoint() == Endpoint::List && status == 200 {
                    self.leave_out(&mut bytes);
                }
                let is_fetch = request.endpoint() == Endpoint::Fetch;
                let end = match delivery {
                    Delivery::Whole => BodyEnd::Complete,
                    // Of these the client reads as much as it looks at.
                    Delivery::Slow(_) if is_fetch => BodyEnd::Complete,
                    Delivery::Endless | Delivery::GzipBomb if is_fetch => {
                        BodyEnd::OverCap(READ_MAX_BYTES)
                    }
                    _ => {
                        bytes.truncate(bytes.len() / 2);
                        BodyEnd::Cut("cut".to_owned())
                    }
                };
                let body = Body { bytes, end };
                let answer = RawAnswer {
                    status,
                    retry_after,
                    body,
                };
                (delay_ms, (Ok(answer), head))
            }
        };
        let takes_ms = if self.is_calm {
            20
        } else {
            self.chance.of(&[20, 20, 20, 1, 1_000, 70_000, 90_000])
        };
        self.packets[index].reply = Some((self.time + delay_ms + takes_ms, reply));
    }

    /// A partial list: it lacks what nobody has on record, and with it one that
    /// somebody has, without which nobody could tell.
    fn leave_out(&mut self, bytes: &mut Vec<u8>) {
        let known = self.books.known_for(SURELY_KNOWN_MS, self.now());
        let listed: Vec<serde_json::Value> = serde_json::from_slice(bytes).unwrap_or_default();
        let id = |item: &serde_json::Value| item["id"].as_str().unwrap_or_default().to_owned();
        let witness = listed.iter().map(id).find(|id| known.contains(id));
        if !self.is_partial || witness.is_none() {
            return;
        }
        let left: Vec<_> = listed
            .into_iter()
            .filter(|item| known.contains(&id(item)) && Some(id(item)) != witness)
            .collect();
        self.books.was_partial = true;
        self.note(|| format!("a partial list of {}", left.len()));
        *bytes = serde_json::Value::from(left).to_string().into_bytes();
    }
}
