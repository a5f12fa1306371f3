//! The picture as Prometheus reads it. Made at each scrape: no counter is kept twice.

use anyhow::Result;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use crate::status::{CommunityStatus, Live, MemberStatus, PathStatus, Status};

/// The text of `/metrics`.
///
/// # Errors
/// The encoder's, which means a bug here.
pub fn render(status: &Status) -> Result<String> {
    let mut registry = Registry::with_prefix("burstmesh_exit");
    registry.register_collector(Box::new(Picture(status.clone())));
    let mut out = String::new();
    text::encode(&mut out, &registry)?;
    Ok(out)
}

#[derive(Debug)]
struct Picture(Status);

/// A value with its labels.
type Sample = (Labels, f64);
type Labels = Vec<(&'static str, String)>;

/// Takes one number out of a path.
type Reading = fn(&PathStatus) -> f64;

struct Family {
    name: &'static str,
    help: &'static str,
    unit: Option<Unit>,
    kind: MetricType,
}

const fn counter(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        help,
        unit: None,
        kind: MetricType::Counter,
    }
}

const fn gauge(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        help,
        unit: None,
        kind: MetricType::Gauge,
    }
}

impl Collector for Picture {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.whole(&mut encoder)?;
        self.seats(&mut encoder)?;
        self.members(&mut encoder)?;
        self.paths(&mut encoder)
    }
}

impl Picture {
    fn whole(&self, encoder: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
        let status = &self.0;
        let info = vec![
            ("version", status.version.clone()),
            ("key", status.key.clone()),
        ];
        write(
            encoder,
            &gauge("build", "Always 1; version and public key as labels"),
            vec![(info, 1.0)],
        )?;
        let uptime = Family {
            unit: Some(Unit::Seconds),
            ..gauge("uptime", "Time since the start")
        };
        write(
            encoder,
            &uptime,
            vec![(vec![], status.uptime_seconds as f64)],
        )?;
        let refusals = status.refusals.iter();
        let refusals =
            refusals.map(|(reason, count)| (vec![("reason", reason.clone())], *count as f64));
        write(
            encoder,
            &counter("refusals", "Datagrams and handshakes refused"),
            refusals.collect(),
        )?;
        for (name, help, refusal) in [
            (
                "firewall_refused_packets",
                "Members' packets that were refused, by where they wanted to go",
                true,
            ),
            (
                "firewall_forwarded_packets",
                "Packets forwarded between members and the Internet",
                false,
            ),
        ] {
            let here = status.firewall.iter().filter(|c| c.refusal == refusal);
            let samples = here.map(|c| (vec![("what", c.name.clone())], c.packets as f64));
            write(encoder, &counter(name, help), samples.collect())?;
        }
        Ok(())
    }

    fn seats(&self, encoder: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
        let seats = self.0.seats;
        let memory = Family {
            unit: Some(Unit::Bytes),
            ..gauge("packet_memory", "Packet memory taken, and the most")
        };
        for (family, now, most) in [
            (
                gauge("seats", "Sessions now, and at most"),
                seats.taken as f64,
                seats.most as f64,
            ),
            (
                memory,
                seats.memory_bytes as f64,
                seats.memory_most_bytes as f64,
            ),
        ] {
            let which = |which: &str| vec![("which", which.to_owned())];
            write(
                encoder,
                &family,
                vec![(which("now"), now), (which("most"), most)],
            )?;
        }
        Ok(())
    }

    fn members(&self, encoder: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
        let known = self.0.communities.iter();
        let known = known.map(|c| (vec![("community", c.name.clone())], c.members.len() as f64));
        write(
            encoder,
            &gauge("members", "Members that have a lease"),
            known.collect(),
        )?;
        let live = self.0.communities.iter().map(|c| {
            let live = c.members.iter().filter(|m| m.live.is_some()).count();
            (vec![("community", c.name.clone())], live as f64)
        });
        write(
            encoder,
            &gauge("members_live", "Members with a session"),
            live.collect(),
        )?;
        let age = Family {
            unit: Some(Unit::Seconds),
            ..gauge("handshake_age", "Time since the latest handshake")
        };
        write(
            encoder,
            &age,
            self.each(|live| vec![(vec![], live.handshake_age_seconds)]),
        )?;
        let bytes = Family {
            unit: Some(Unit::Bytes),
            ..counter(
                "traffic",
                "Bytes of inner packets; up is towards the Internet",
            )
        };
        write(
            encoder,
            &bytes,
            self.each(|live| directions(live.up.bytes, live.down.bytes)),
        )?;
        let packets = counter("packets", "Inner packets; up is towards the Internet");
        write(
            encoder,
            &packets,
            self.each(|live| directions(live.up.packets, live.down.packets)),
        )?;
        let drops = counter("dropped_packets", "Inner packets dropped, by reason");
        write(
            encoder,
            &drops,
            self.each(|live| {
                live.drops
                    .iter()
                    .map(|(reason, n)| (vec![("reason", reason.clone())], *n as f64))
                    .collect()
            }),
        )
    }

    fn paths(&self, encoder: &mut DescriptorEncoder<'_>) -> std::fmt::Result {
        let gauges: [(Family, Reading); 3] = [
            (
                gauge(
                    "path_rate_bits_per_second",
                    "What the path is estimated to carry",
                ),
                |p| p.rate_bps as f64,
            ),
            (
                Family {
                    unit: Some(Unit::Seconds),
                    ..gauge("path_delay", "Round-trip time")
                },
                |p| p.delay_ms / 1000.0,
            ),
            (
                Family {
                    unit: Some(Unit::Ratios),
                    ..gauge("path_loss", "Share of datagrams lost")
                },
                |p| p.loss,
            ),
        ];
        for (family, value) in gauges {
            let samples =
                self.each(|live| live.paths.iter().map(|p| (path(p), value(p))).collect());
            write(encoder, &family, samples)?;
        }
        let bytes = Family {
            unit: Some(Unit::Bytes),
            ..counter("path_traffic", "Bytes carried by the path")
        };
        write(
            encoder,
            &bytes,
            self.each(|live| {
                let both = |p: &PathStatus| {
                    directions(p.up.bytes, p.down.bytes)
                        .into_iter()
                        .map(|(d, v)| ([path(p), d].concat(), v))
                        .collect::<Vec<_>>()
                };
                live.paths.iter().flat_map(both).collect()
            }),
        )
    }

    /// Samples of every live member, with the labels that name it in front.
    fn each(&self, samples: impl Fn(&Live) -> Vec<Sample>) -> Vec<Sample> {
        let mut all = Vec::new();
        for community in &self.0.communities {
            for member in &community.members {
                for (labels, value) in member.live.as_ref().map(&samples).unwrap_or_default() {
                    all.push(([who(community, member), labels].concat(), value));
                }
            }
        }
        all
    }
}

fn who(community: &CommunityStatus, member: &MemberStatus) -> Labels {
    let name = member
        .name
        .clone()
        .unwrap_or_else(|| member.node_id.clone());
    vec![("community", community.name.clone()), ("member", name)]
}

fn path(path: &PathStatus) -> Labels {
    vec![("path", path.id.to_string())]
}

fn directions(up: u64, down: u64) -> Vec<Sample> {
    vec![
        (vec![("direction", "up".into())], up as f64),
        (vec![("direction", "down".into())], down as f64),
    ]
}

fn write(
    encoder: &mut DescriptorEncoder<'_>,
    family: &Family,
    samples: Vec<Sample>,
) -> std::fmt::Result {
    if samples.is_empty() {
        return Ok(());
    }
    let mut metric =
        encoder.encode_descriptor(family.name, family.help, family.unit.as_ref(), family.kind)?;
    for (labels, value) in samples {
        // An empty pair of braces is legal and ugly.
        if labels.is_empty() {
            put(&mut metric, family.kind, value)?;
        } else {
            put(
                &mut metric.encode_family(&labels.as_slice())?,
                family.kind,
                value,
            )?;
        }
    }
    Ok(())
}

fn put(metric: &mut MetricEncoder<'_>, kind: MetricType, value: f64) -> std::fmt::Result {
    match kind {
        MetricType::Counter => metric.encode_counter::<NoLabels, f64, u64>(&value, None),
        _ => metric.encode_gauge(&value),
    }
}

/// Exemplars are not used; the encoder wants a type for their labels all the same.
type NoLabels = [(&'static str, String); 0];
