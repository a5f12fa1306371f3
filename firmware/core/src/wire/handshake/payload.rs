//! What the two handshake messages carry inside Noise's seal, as postcard; bytes after the last known field are ignored.

use serde::{Deserialize, Serialize};

use crate::error::Refusal;
use crate::wire::admission::Certificate;
use crate::wire::bytes::{Reader, Writer};
use crate::wire::{Capabilities, compact};

/// The initiator's payload: at most 113 bytes as of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Which life of the initiator: grows with every start, never repeats.
    pub epoch: u64,
    /// Grows with every Init of one life, whoever it is for: with the epoch, the protection from replays.
    pub counter: u64,
    /// What the initiator can.
    pub caps: Capabilities,
    /// The initiator's minor version, the same as in the clear header.
    pub minor: u8,
    /// The responder's connection ID of the session that this handshake renews; none for a new session.
    pub rekey_of: Option<u32>,
    /// The admin's word that the initiator is a member, where members have one.
    #[serde(skip)]
    pub certificate: Option<Certificate>,
}

/// What the responder grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// What the responder can.
    pub caps: Capabilities,
    /// The responder's minor version, the same as in the clear header.
    pub minor: u8,
    /// The initiator's addresses inside the tunnel, if the responder is an exit.
    pub lease: Option<Lease>,
}

/// Addresses that an exit leases to a gateway. It cannot grow: later fields go behind it, into [`Answer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The gateway's IPv4 address in the tunnel.
    #[serde(with = "crate::bytes")]
    pub ipv4: [u8; 4],
    /// The gateway's IPv6 address in the tunnel.
    #[serde(with = "crate::bytes")]
    pub ipv6: [u8; 16],
    /// A name server that is reached through the exit over IPv4.
    #[serde(with = "crate::bytes::optional")]
    pub dns4: Option<[u8; 4]>,
    /// A name server that is reached through the exit over IPv6.
    #[serde(with = "crate::bytes::optional")]
    pub dns6: Option<[u8; 16]>,
    /// The largest inner packet the exit takes, in bytes.
    pub mtu: u16,
}

/// Why a responder that was asked well makes no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Denial {
    /// The community's members have certificates, and the initiator showed none.
    NoCertificate = 1,
    /// What it showed is not the admin's word for this key in this community.
    BadCertificate = 2,
    /// Its certificate has ended.
    Ended = 3,
    /// The admin has removed it.
    Revoked = 4,
}

/// The responder's payload: at most 139 bytes as of this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The responder's connection ID, the same as in the clear header: this one a lender on the way cannot alter.
    pub cid: u32,
    /// What it grants.
    pub welcome: Welcome,
    /// The admin's word that the responder is a member; only to an initiator that showed its own, so that an answer is no longer
    /// than its question.
    #[serde(skip)]
    pub certificate: Option<Certificate>,
    /// There is no session, and this is why. Only to an initiator with [`Capabilities::ADMISSION`].
    #[serde(skip)]
    pub denial: Option<Denial>,
}

impl Hello {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`Refusal::Malformed`].
    pub fn decode(payload: &[u8]) -> Result<Self, Refusal> {
        let (mut hello, rest): (Self, _) = compact::read_first(payload)?;
        hello.certificate = certificate(&mut Reader::new(rest))?;
        Ok(hello)
    }

    /// Writes a payload and gives the part of `out` it took.
    ///
    /// # Errors
    /// [`Refusal::Full`].
    pub fn encode<'a>(&self, out: &'a mut [u8]) -> Result<&'a [u8], Refusal> {
        let used = compact::write(self, out)?.len();
        append(out, used, self.certificate.as_ref(), None)
    }
}

impl Answer {
    /// Reads a payload.
    ///
    /// # Errors
    /// [`Refusal::Malformed`].
    pub fn decode(payload: &[u8]) -> Result<Self, Refusal> {
        let (mut answer, rest): (Self, _) = compact::read_first(payload)?;
        let mut rest = Reader::new(rest);
        answer.certificate = certificate(&mut rest)?;
        answer.denial = match rest.rest().first() {
            None | Some(0) => None,
            Some(1) => Some(Denial::NoCertificate),
            Some(3) => Some(Denial::Ended),
            Some(4) => Some(Denial::Revoked),
            // A reason of a later version is a refusal all the same.
            Some(_) => Some(Denial::BadCertificate),
        };
        Ok(answer)
    }

    /// Writes a payload and gives the part of `out` it took.
    ///
    /// # Errors
    /// [`Refusal::Full`].
    pub fn encode<'a>(&self, out: &'a mut [u8]) -> Result<&'a [u8], Refusal> {
        let used = compact::write(self, out)?.len();
        append(out, used, self.certificate.as_ref(), self.denial)
    }
}

/// What older versions do not send: nothing, or `00`, or `01` and a certificate.
fn certificate(rest: &mut Reader<'_>) -> Result<Option<Certificate>, Refusal> {
    if rest.rest().is_empty() {
        return Ok(None);
    }
    match rest.u8()? {
        0 => Ok(None),
        1 => Certificate::read(rest).map(Some),
        _ => Err(Refusal::Malformed),
    }
}

/// Writes it behind the `used` bytes, as far as there is something to say.
fn append<'a>(
    out: &'a mut [u8],
    used: usize,
    certificate: Option<&Certificate>,
    denial: Option<Denial>,
) -> Result<&'a [u8], Refusal> {
    let mut w = Writer::new(out);
    w.reserve(used)?;
    if let Some(certificate) = certificate {
        w.u8(1)?;
        w.put(&certificate.bytes())?;
    } else if denial.is_some() {
        w.u8(0)?;
    }
    if let Some(denial) = denial {
        w.u8(denial as u8)?;
    }
    Ok(w.written())
}
