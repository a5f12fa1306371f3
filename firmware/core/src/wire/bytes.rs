//! Checked reading and writing of big-endian fields: the only place where wire offsets are turned into slices.

use crate::error::Refusal;

/// Reads fields from the front of a byte slice; every read past the end is [`Refusal::Malformed`].
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
    /// The next `n` bytes.
    pub fn take(&mut self, n: usize) -> Result<&'a [u8], Refusal> {
        let (head, rest) = self.rest.split_at_checked(n).ok_or(Refusal::Malformed)?;
        self.rest = rest;
        Ok(head)
    }
    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Refusal> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }
    /// One byte.
    pub fn u8(&mut self) -> Result<u8, Refusal> {
        Ok(u8::from_be_bytes(self.array()?))
    }
    /// Two bytes, big-endian.
    pub fn u16(&mut self) -> Result<u16, Refusal> {
        Ok(u16::from_be_bytes(self.array()?))
    }
    /// Four bytes, big-endian.
    pub fn u32(&mut self) -> Result<u32, Refusal> {
        Ok(u32::from_be_bytes(self.array()?))
    }
    /// Eight bytes, big-endian.
    pub fn u64(&mut self) -> Result<u64, Refusal> {
        Ok(u64::from_be_bytes(self.array()?))
    }
}

/// Writes fields into a caller's buffer; running out of room is [`Refusal::Full`].
#[derive(Debug)]
pub struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl<'a> Writer<'a> {
    /// Starts at the first byte of `out`.
    pub fn new(out: &'a mut [u8]) -> Self {
        Self { out, at: 0 }
    }
    /// Bytes written so far.
    pub fn len(&self) -> usize {
        self.at
    }
    /// Nothing written yet.
    pub fn is_empty(&self) -> bool {
        self.at == 0
    }
    /// Bytes that still fit.
    pub fn room(&self) -> usize {
        self.out.len().saturating_sub(self.at)
    }
    /// The next `n` bytes of the buffer, counted as written; the caller fills them.
    pub fn reserve(&mut self, n: usize) -> Result<&mut [u8], Refusal> {
        let end = self.at.checked_add(n).ok_or(Refusal::Full)?;
        let slot = self.out.get_mut(self.at..end).ok_or(Refusal::Full)?;
        self.at = end;
        Ok(slot)
    }
    /// Appends bytes.
    pub fn put(&mut self, bytes: &[u8]) -> Result<(), Refusal> {
        self.reserve(bytes.len())?.copy_from_slice(bytes);
        Ok(())
    }
    /// Appends one byte.
    pub fn u8(&mut self, v: u8) -> Result<(), Refusal> {
        self.put(&[v])
    }
    /// Appends two bytes, big-endian.
    pub fn u16(&mut self, v: u16) -> Result<(), Refusal> {
        self.put(&v.to_be_bytes())
    }
    /// Appends four bytes, big-endian.
    pub fn u32(&mut self, v: u32) -> Result<(), Refusal> {
        self.put(&v.to_be_bytes())
    }
    /// Appends eight bytes, big-endian.
    pub fn u64(&mut self, v: u64) -> Result<(), Refusal> {
        self.put(&v.to_be_bytes())
    }
    /// What was written.
    pub fn written(self) -> &'a mut [u8] {
        self.out.get_mut(..self.at).unwrap_or_default()
    }
}
