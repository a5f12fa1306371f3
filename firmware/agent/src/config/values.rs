//! The values that options take, read from text: one function per kind, each with its own way to be wrong.

mod number;

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use burstmesh_core::calendar::Zone;
use burstmesh_core::data::lane::Lane;
use burstmesh_core::identity::{NodeId, PublicKey};
use burstmesh_core::wire::admission::{self, Certificate};
use burstmesh_core::wire::invitation::{self, Invitation, InvitationError, Secret};
use burstmesh_core::wire::path::Cost;
use burstmesh_core::wire::text::{self, TextError};
use heapless::String;
pub(crate) use number::digits;
use number::{at_most, quantity};

/// Bytes of a network device's name: the kernel's IFNAMSIZ less its NUL.
pub const IFNAME_BYTES: usize = 15;
/// Bytes of a section's name.
pub const LABEL_BYTES: usize = 15;
/// Bytes of a file's path.
pub const PATH_BYTES: usize = 128;
/// The largest rate that can be stated: 100 Gbit/s.
pub const RATE_MAX: u64 = 100_000_000_000;
/// The smallest that is not none: a path needs some kbit/s for its reports alone.
pub const RATE_MIN: u64 = 64_000;
/// The longest duration that can be stated: a day.
pub const DURATION_MAX: Duration = Duration::from_secs(86_400);
/// The smallest plan: below it a household passes its cap faster than lending can be stopped.
pub const VOLUME_MIN: u64 = 50_000_000;
/// The largest: 1000 TB.
pub const VOLUME_MAX: u64 = 1_000_000_000_000_000;
/// The tunnel device that the agent makes.
pub const TUNNEL: &str = "bm0";

/// A network device's name.
pub type Ifname = String<IFNAME_BYTES>;
/// A section's name.
pub type Label = String<LABEL_BYTES>;
/// A file's path.
pub type FilePath = String<PATH_BYTES>;

/// kbit/s at IP level, rounded up; 0: none is stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Rate(pub u32);

/// An address range. Bits beyond the length are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    /// Its first address.
    pub address: IpAddr,
    /// How many leading bits count: up to 32 for IPv4, up to 128 for IPv6.
    pub length: u8,
}

/// A part of the day, in minutes since midnight. Where it ends before it begins, it passes midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// Its first minute.
    pub from: u16,
    /// The minute after its last.
    pub to: u16,
}

impl Hours {
    /// Whether this minute of the day is part of it.
    #[must_use]
    pub const fn contains(self, minute: u16) -> bool {
        let (begun, ended) = (minute >= self.from, minute >= self.to);
        if self.from < self.to {
            begun && !ended
        } else {
            begun || !ended
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

/// How much the agent logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// Only what stops something from working.
    Error,
    /// Also what is odd.
    Warn,
    /// Also what changes: peers, paths, exits.
    Info,
    /// Also why.
    Debug,
    /// Everything but packets' contents.
    Trace,
}

impl LogLevel {
    /// All levels by the names the configuration uses.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];
}

/// Why a text is not a value of its option's kind. How to write one is the kind's to say (`schema::Kind`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueError {
    /// It does not read as this kind of value at all.
    Malformed,
    /// A number with an unknown unit, or one that counts bytes.
    BadUnit,
    /// A number without the unit it needs.
    NoUnit,
    /// Below or above what is possible.
    OutOfRange,
    /// More bytes than this.
    TooLong(u8),
    /// A host name where a numeric address is needed.
    NotNumeric,
    /// An address without a port.
    NoPort,
    /// An address that cannot be somebody's on the Internet: unspecified, multicast, link-local, or port 0.
    Unusable,
    /// The address has bits beyond the prefix length; the prefix that was probably meant.
    HostBits(Prefix),
    /// Not a key.
    Key(TextError),
    /// A key that no generator makes.
    WeakKey,
    /// A secret that a person made up.
    WeakSecret,
    /// Not an invitation.
    Invitation(InvitationError),
    /// Not a certificate.
    Certificate(admission::TextError),
    /// The device that the agent itself makes, or the loopback device.
    ReservedDevice,
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("cannot be read"),
            Self::BadUnit => f.write_str("has an unknown unit"),
            Self::NoUnit => f.write_str("has no unit"),
            Self::OutOfRange => f.write_str("is out of range"),
            Self::TooLong(limit) => write!(f, "is longer than {limit} characters"),
            Self::NotNumeric => f.write_str("is not a numeric address"),
            Self::NoPort => f.write_str("has no port"),
            Self::Unusable => f.write_str("cannot be reached over the Internet"),
            Self::HostBits(meant) => {
                write!(f, "has bits beyond its length (did you mean {meant}?)")
            }
            Self::Key(why) => why.fmt(f),
            Self::WeakKey => f.write_str("is not a key that any generator makes"),
            Self::WeakSecret => f.write_str("looks made up and can be guessed"),
            Self::Invitation(why) => why.fmt(f),
            Self::Certificate(why) => why.fmt(f),
            Self::ReservedDevice => f.write_str("is not a device for this purpose"),
        }
    }
}

/// A truth value, in all of OpenWrt's spellings.
///
/// # Errors
/// [`ValueError::Malformed`].
pub fn boolean(text: &str) -> Result<bool, ValueError> {
    match text {
        "1" | "yes" | "on" | "true" | "enabled" => Ok(true),
        "0" | "no" | "off" | "false" | "disabled" => Ok(false),
        _ => Err(ValueError::Malformed),
    }
}

/// One of the log levels.
///
/// # Errors
/// [`ValueError::Malformed`].
pub fn log_level(text: &str) -> Result<LogLevel, ValueError> {
    let found = LogLevel::NAMES.iter().find(|(name, _)| *name == text);
    found.map(|&(_, level)| level).ok_or(ValueError::Malformed)
}

/// One of the lanes.
///
/// # Errors
/// [`ValueError::Malformed`].
pub fn lane(text: &str) -> Result<Lane, ValueError> {
    let found = Lane::ALL.into_iter().find(|lane| lane.name() == text);
    found.ok_or(ValueError::Malformed)
}

/// A transport protocol, as its name.
///
/// # Errors
/// [`ValueError::Malformed`].
pub fn protocol(text: &str) -> Result<&'static str, ValueError> {
    let found = ["tcp", "udp"].into_iter().find(|name| *name == text);
    found.ok_or(ValueError::Malformed)
}

/// A differentiated services code point.
///
/// # Errors
/// [`ValueError::OutOfRange`] or [`ValueError::Malformed`].
pub fn code_point(text: &str) -> Result<u8, ValueError> {
    at_most(63, text)
}

/// Which is taken first.
///
/// # Errors
/// [`ValueError::OutOfRange`] or [`ValueError::Malformed`].
pub fn preference(text: &str) -> Result<u8, ValueError> {
    at_most(9, text)
}

/// What a line's use costs.
///
/// # Errors
/// As [`preference`].
pub fn cost(text: &str) -> Result<u8, ValueError> {
    at_most(Cost::MOST.level(), text)
}

/// A member's name with how much its part counts: `a0a1a2a3a4a5a6a7=2`.
///
/// # Errors
/// [`ValueError::Malformed`] or [`ValueError::OutOfRange`].
pub fn weight(text: &str) -> Result<(NodeId, u8), ValueError> {
    let (name, weight) = text.split_once('=').ok_or(ValueError::Malformed)?;
    let weight = preference(weight)?;
    if weight == 0 {
        return Err(ValueError::OutOfRange);
    }
    Ok((node(name)?, weight))
}

/// A member's name: 16 hexadecimal digits.
///
/// # Errors
/// [`ValueError::Malformed`].
pub fn node(text: &str) -> Result<NodeId, ValueError> {
    let mut node = [0; 8];
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != node.len() || !rest.is_empty() {
        return Err(ValueError::Malformed);
    }
    for (byte, pair) in node.iter_mut().zip(pairs) {
        for digit in pair {
            let digit = char::from(*digit).to_digit(16);
            *byte = *byte << 4 | digit.ok_or(ValueError::Malformed)? as u8;
        }
    }
    Ok(NodeId(node))
}

/// A community's name.
///
/// # Errors
/// [`ValueError::TooLong`] or [`ValueError::Malformed`].
pub fn community_name(text: &str) -> Result<invitation::Name, ValueError> {
    let name = short(text)?;
    invitation::check_name(text).map_err(|_| ValueError::Malformed)?;
    Ok(name)
}

/// A network device's name, by the kernel's own rule.
///
/// # Errors
/// [`ValueError::TooLong`], [`ValueError::Malformed`], or [`ValueError::ReservedDevice`] for `lo` and `bm0`.
pub fn ifname(text: &str) -> Result<Ifname, ValueError> {
    let name: Ifname = short(text)?;
    let forbidden = |c: char| matches!(c, '/' | ':' | '@') || c.is_whitespace() || c.is_control();
    match text {
        "" | "." | ".." => Err(ValueError::Malformed),
        "lo" | TUNNEL => Err(ValueError::ReservedDevice),
        _ if text.contains(forbidden) => Err(ValueError::Malformed),
        _ => Ok(name),
    }
}

/// A UDP port.
///
/// # Errors
/// [`ValueError::OutOfRange`] or [`ValueError::Malformed`].
pub fn port(text: &str) -> Result<u16, ValueError> {
    let port = digits(text).ok_or(ValueError::Malformed)?;
    let port = u16::try_from(port).ok().filter(|port| *port > 0);
    port.ok_or(ValueError::OutOfRange)
}

/// A rate in bits per second: a number with at most three decimals and `bit`, `kbit`, `Mbit` or `Gbit` (powers of 1000, in
/// any case); or `0`.
///
/// # Errors
/// [`ValueError::NoUnit`], [`ValueError::BadUnit`], [`ValueError::OutOfRange`] or [`ValueError::Malformed`].
pub fn rate(text: &str) -> Result<Rate, ValueError> {
    let units = [
        ("bit", 1),
        ("kbit", 1_000),
        ("mbit", 1_000_000),
        ("gbit", 1_000_000_000),
    ];
    quantity(text, &units, str::eq_ignore_ascii_case, RATE_MIN, RATE_MAX)
        .map(|bits| Rate(bits.div_ceil(1_000) as u32))
}

/// A duration: a number with at most three decimals and `ms`, `s`, `m` or `h`; or `0`.
///
/// # Errors
/// [`ValueError::NoUnit`], [`ValueError::BadUnit`], [`ValueError::OutOfRange`] or [`ValueError::Malformed`].
pub fn duration(text: &str) -> Result<Duration, ValueError> {
    let micros = [
        ("ms", 1_000),
        ("s", 1_000_000),
        ("m", 60_000_000),
        ("h", 3_600_000_000),
    ];
    let most = DURATION_MAX.as_micros() as u64;
    quantity(text, &micros, str::eq, 1, most).map(Duration::from_micros)
}

/// A volume in bytes: a number with at most three decimals and `MB`, `GB` or `TB` (powers of 1000, in any case); or `0`.
///
/// # Errors
/// [`ValueError::NoUnit`], [`ValueError::BadUnit`], [`ValueError::OutOfRange`] or [`ValueError::Malformed`].
pub fn volume(text: &str) -> Result<u64, ValueError> {
    let units = [
        ("mb", 1_000_000),
        ("gb", 1_000_000_000),
        ("tb", 1_000_000_000_000),
    ];
    quantity(
        text,
        &units,
        str::eq_ignore_ascii_case,
        VOLUME_MIN,
        VOLUME_MAX,
    )
}

/// A day of the month.
///
/// # Errors
/// [`ValueError::OutOfRange`] or [`ValueError::Malformed`].
pub fn month_day(text: &str) -> Result<u8, ValueError> {
    match at_most(31, text)? {
        0 => Err(ValueError::OutOfRange),
        day => Ok(day),
    }
}

/// A distance from UTC: `+01:00`, `-03:30`, or `0`.
///
/// # Errors
/// [`ValueError::OutOfRange`] or [`ValueError::Malformed`].
pub fn zone(text: &str) -> Result<Zone, ValueError> {
    if text == "0" {
        return Ok(Zone(0));
    }
    let (sign, rest) = match text.split_at_checked(1) {
        Some(("+", rest)) => (1, rest),
        Some(("-", rest)) => (-1, rest),
        _ => return Err(ValueError::Malformed),
    };
    let minutes = time_of_day(rest)?;
    if minutes > 14 * 60 {
        return Err(ValueError::OutOfRange);
    }
    Ok(Zone(sign * minutes as i16))
}

/// A part of the day: `22:00-07:00`, which passes midnight.
///
/// # Errors
/// [`ValueError::OutOfRange`] or [`ValueError::Malformed`].
pub fn hours(text: &str) -> Result<Hours, ValueError> {
    let (from, to) = text.split_once('-').ok_or(ValueError::Malformed)?;
    let (from, to) = (time_of_day(from)?, time_of_day(to)?);
    if from == to {
        return Err(ValueError::OutOfRange);
    }
    Ok(Hours { from, to })
}

/// Minutes since midnight, from `7:00` or `24:00`.
fn time_of_day(text: &str) -> Result<u16, ValueError> {
    let (hours, minutes) = text.split_once(':').ok_or(ValueError::Malformed)?;
    if hours.len() > 2 || minutes.len() != 2 {
        return Err(ValueError::Malformed);
    }
    let (hours, minutes) = (at_most(24, hours)?, at_most(59, minutes)?);
    match u16::from(hours) * 60 + u16::from(minutes) {
        time @ ..=1440 => Ok(time),
        _ => Err(ValueError::OutOfRange),
    }
}

/// A public key in base64.
///
/// # Errors
/// [`ValueError::Key`], or [`ValueError::WeakKey`] for a key of one repeated byte.
pub fn key(text: &str) -> Result<PublicKey, ValueError> {
    let key = text::key_from_text(text).map_err(ValueError::Key)?;
    let [first, rest @ ..] = key;
    if rest.iter().all(|byte| *byte == first) {
        return Err(ValueError::WeakKey);
    }
    Ok(PublicKey(key))
}

/// A community's secret in base64.
///
/// # Errors
/// [`ValueError::Key`], or [`ValueError::WeakSecret`] when the bytes look typed rather than generated.
pub fn secret(text: &str) -> Result<Secret, ValueError> {
    let secret = Secret::new(text::key_from_text(text).map_err(ValueError::Key)?);
    if secret.looks_invented() {
        Err(ValueError::WeakSecret)
    } else {
        Ok(secret)
    }
}

/// A member's certificate.
///
/// # Errors
/// It is something else, or damaged.
pub fn certificate(text: &str) -> Result<Certificate, ValueError> {
    Certificate::from_text(text).map_err(ValueError::Certificate)
}

/// An invitation.
///
/// # Errors
/// [`ValueError::Invitation`], or [`ValueError::WeakSecret`] when its secret was made up.
pub fn invitation(text: &str) -> Result<Invitation, ValueError> {
    let invitation = Invitation::decode(text).map_err(ValueError::Invitation)?;
    if invitation.secret.looks_invented() {
        return Err(ValueError::WeakSecret);
    }
    Ok(invitation)
}

/// A numeric address with a port: `203.0.113.7:4455` or `[2001:db8::7]:4455`. Names are refused: the exit is known by its
/// key, and DNS may need the exit.
///
/// # Errors
/// [`ValueError::NoPort`], [`ValueError::NotNumeric`], [`ValueError::Unusable`] or [`ValueError::Malformed`].
pub fn address(text: &str) -> Result<SocketAddr, ValueError> {
    let address = text
        .parse::<SocketAddr>()
        .map_err(|_| address_error(text))?;
    let unusable = match address.ip() {
        IpAddr::V4(ip) => {
            ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast() || ip.is_link_local()
        }
        IpAddr::V6(ip) => ip.is_unspecified() || ip.is_multicast() || ip.is_unicast_link_local(),
    };
    if unusable || address.port() == 0 {
        Err(ValueError::Unusable)
    } else {
        Ok(address)
    }
}

/// A prefix: `198.51.100.0/24`, `2001:db8::/32`, or a single address.
///
/// # Errors
/// [`ValueError::HostBits`], [`ValueError::OutOfRange`] or [`ValueError::Malformed`].
pub fn prefix(text: &str) -> Result<Prefix, ValueError> {
    let (address, length) = text
        .split_once('/')
        .map_or((text, None), |(a, l)| (a, Some(l)));
    let address: IpAddr = address.parse().map_err(|_| ValueError::Malformed)?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        None => longest,
        Some(text) => at_most(longest, text)?,
    };
    let meant = Prefix {
        address: masked(address, length),
        length,
    };
    if meant.address == address {
        Ok(meant)
    } else {
        Err(ValueError::HostBits(meant))
    }
}

/// What always goes direct: a prefix, or `None` for a name, which is no business of the agent's.
///
/// # Errors
/// Those of [`prefix`]; [`ValueError::Malformed`] for a name.
pub fn bypass(text: &str) -> Result<Option<Prefix>, ValueError> {
    let numeric = text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if numeric || text.contains([':', '/']) {
        return prefix(text).map(Some);
    }
    let mut before = b'.';
    let mut fits = |b: u8| {
        let last = core::mem::replace(&mut before, b);
        match b {
            b'.' => last.is_ascii_alphanumeric(),
            b'-' => last != b'.',
            _ => b.is_ascii_alphanumeric(),
        }
    };
    let fine = text.len() < 254 && text.bytes().all(&mut fits) && fits(b'.');
    fine.then_some(None).ok_or(ValueError::Malformed)
}

/// What a rule says of connections: a lane, or `None` for those that go direct.
///
/// # Errors
/// [`ValueError::Malformed`].
pub fn rule_lane(text: &str) -> Result<Option<Lane>, ValueError> {
    match text {
        "direct" => Ok(None),
        _ => lane(text).map(Some),
    }
}

/// An absolute path of a file.
///
/// # Errors
/// [`ValueError::TooLong`] or [`ValueError::Malformed`].
pub fn path(text: &str) -> Result<FilePath, ValueError> {
    let path: FilePath = short(text)?;
    let fine = text.starts_with('/') && !text.ends_with('/') && !text.contains(char::is_control);
    if fine {
        Ok(path)
    } else {
        Err(ValueError::Malformed)
    }
}

/// A section's name, of which UCI itself has checked the characters.
///
/// # Errors
/// [`ValueError::TooLong`].
pub fn label(text: &str) -> Result<Label, ValueError> {
    short(text)
}

fn short<const N: usize>(text: &str) -> Result<String<N>, ValueError> {
    String::try_from(text).map_err(|_| ValueError::TooLong(u8::try_from(N).unwrap_or(u8::MAX)))
}

/// What is wrong with a text that is no socket address.
fn address_error(text: &str) -> ValueError {
    if text.parse::<IpAddr>().is_ok() {
        return ValueError::NoPort;
    }
    let bracketed = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    if bracketed.is_some_and(|ip| ip.parse::<IpAddr>().is_ok()) {
        return ValueError::NoPort;
    }
    let host = text.rsplit_once(':').map_or(text, |(host, _)| host);
    let is_name =
        host.contains(|c: char| c.is_ascii_alphabetic()) && !host.contains([':', '[', ']', '/']);
    if is_name {
        ValueError::NotNumeric
    } else {
        ValueError::Malformed
    }
}

fn masked(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            IpAddr::V4((u32::from(ip) & mask).into())
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            IpAddr::V6((u128::from(ip) & mask).into())
        }
    }
}

#[cfg(test)]
mod tests;
