//! The steps of [`super::Poly1305`] as MIPS32r2 machine code.
//!
//! Why not Rust: the processor has one 64-bit accumulator, and `maddu` adds a product to it. The compiler takes the accumulator
//! out and puts it back around each `maddu`, which doubles the cost of a block: 128 instructions, here 64. Why not assembly: inline
//! assembly for MIPS needs a nightly compiler, and a file for an assembler needs one for each target. So the instructions are
//! encoded by the compiler itself, from functions named as the mnemonics are.
//!
//! The code is a leaf: it calls nothing, has no address of its own inside, and uses its caller's registers as the o32 ABI allows.

#![allow(unsafe_code, reason = "machine code is called by its address")]

use super::{BLOCK, Sum};

/// Takes `blocks`. Never inlined: elsewhere the code would be known by another name, which the linker does not find.
#[inline(never)]
pub fn steps(sum: &mut Sum, blocks: &[[u8; BLOCK]]) {
    let range = blocks.as_ptr_range();
    if range.is_empty() {
        return;
    }
    // SAFETY: `CODE` is a function of this type: it reads and writes `sum` with the offsets of a `repr(C)` struct of words, reads
    // whole blocks from the start of the range to its end, which it reaches exactly, and keeps the registers the ABI wants kept.
    unsafe {
        let code: unsafe extern "C" fn(*mut Sum, *const [u8; BLOCK], *const [u8; BLOCK]) =
            core::mem::transmute(CODE.as_ptr());
        code(sum, range.start, range.end);
    }
}

type Register = u32;
const ZERO: Register = 0;
const SP: Register = 29;
const RA: Register = 31;
// The arguments.
const SUM: Register = 4;
const BLOCKS: Register = 5;
const END: Register = 6;
// Free to use.
const H0: Register = 7;
const H1: Register = 8;
const H2: Register = 9;
const H3: Register = 10;
const H4: Register = 11;
const R0: Register = 12;
const R1: Register = 13;
const R2: Register = 14;
const R3: Register = 15;
const S1: Register = 24;
const S2: Register = 25;
const S3: Register = 2;
const M: Register = 3;
const C: Register = 1;
// To be kept for the caller.
const ONE: Register = 16;
const TOP: Register = 17;
const N0: Register = 18;
const N1: Register = 19;
const N3: Register = 20;
const N4: Register = 21;

const fn register(rs: Register, rt: Register, rd: Register, shift: u32, function: u32) -> u32 {
    rs << 21 | rt << 16 | rd << 11 | shift << 6 | function
}
const fn immediate(operation: u32, rs: Register, rt: Register, value: i16) -> u32 {
    operation << 26 | rs << 21 | rt << 16 | value as u16 as u32
}
const fn addu(rd: Register, rs: Register, rt: Register) -> u32 {
    register(rs, rt, rd, 0, 0x21)
}
const fn subu(rd: Register, rs: Register, rt: Register) -> u32 {
    register(rs, rt, rd, 0, 0x23)
}
const fn sltu(rd: Register, rs: Register, rt: Register) -> u32 {
    register(rs, rt, rd, 0, 0x2b)
}
const fn srl(rd: Register, rt: Register, by: u32) -> u32 {
    register(0, rt, rd, by, 0x02)
}
const fn rotr(rd: Register, rt: Register, by: u32) -> u32 {
    register(1, rt, rd, by, 0x02)
}
const fn wsbh(rd: Register, rt: Register) -> u32 {
    0x1f << 26 | register(0, rt, rd, 0x02, 0x20)
}
const fn multu(rs: Register, rt: Register) -> u32 {
    register(rs, rt, 0, 0, 0x19)
}
const fn maddu(rs: Register, rt: Register) -> u32 {
    0x1c << 26 | register(rs, rt, 0, 0, 0x01)
}
const fn mul(rd: Register, rs: Register, rt: Register) -> u32 {
    0x1c << 26 | register(rs, rt, rd, 0, 0x02)
}
const fn mflo(rd: Register) -> u32 {
    register(0, 0, rd, 0, 0x12)
}
const fn mfhi(rd: Register) -> u32 {
    register(0, 0, rd, 0, 0x10)
}
const fn jr(rs: Register) -> u32 {
    register(rs, 0, 0, 0, 0x08)
}
const fn addiu(rt: Register, rs: Register, value: i16) -> u32 {
    immediate(0x09, rs, rt, value)
}
const fn andi(rt: Register, rs: Register, value: i16) -> u32 {
    immediate(0x0c, rs, rt, value)
}
const fn bne(rs: Register, rt: Register, by: i16) -> u32 {
    immediate(0x05, rs, rt, by)
}
const fn lw(rt: Register, offset: i16, base: Register) -> u32 {
    immediate(0x23, base, rt, offset)
}
const fn lwl(rt: Register, offset: i16, base: Register) -> u32 {
    immediate(0x22, base, rt, offset)
}
const fn lwr(rt: Register, offset: i16, base: Register) -> u32 {
    immediate(0x26, base, rt, offset)
}
const fn sw(rt: Register, offset: i16, base: Register) -> u32 {
    immediate(0x2b, base, rt, offset)
}

/// A move; the assembler's own name for it is taken.
const fn copy(rd: Register, rs: Register) -> u32 {
    addu(rd, rs, ZERO)
}

/// Instructions of one little-endian word from an address of any alignment.
const LOAD: usize = if cfg!(target_endian = "big") { 4 } else { 2 };

const fn load(rt: Register, offset: i16, base: Register) -> [u32; LOAD] {
    let mut code = [0; LOAD];
    if cfg!(target_endian = "big") {
        (code[0], code[1]) = (lwl(rt, offset, base), lwr(rt, offset + 3, base));
        (code[LOAD - 2], code[LOAD - 1]) = (wsbh(rt, rt), rotr(rt, rt, 16));
    } else {
        (code[0], code[1]) = (lwl(rt, offset + 3, base), lwr(rt, offset, base));
    }
    code
}

/// Instructions so far.
struct Program {
    code: [u32; 128],
    length: usize,
}

impl Program {
    const fn then(mut self, code: &[u32]) -> Self {
        let mut i = 0;
        while i < code.len() {
            self.code[self.length] = code[i];
            self.length += 1;
            i += 1;
        }
        self
    }

    /// Back to instruction `to` unless the registers are equal; `last` is executed in any case.
    const fn repeat(self, a: Register, b: Register, to: usize, last: u32) -> Self {
        let by = to as i16 - (self.length as i16 + 1);
        self.then(&[bne(a, b, by), last])
    }
}

const BEGIN: Program = Program {
    code: [0; 128],
    length: 0,
}
.then(&[
    addiu(SP, SP, -24),
    sw(ONE, 0, SP),
    sw(TOP, 4, SP),
    sw(N0, 8, SP),
    sw(N1, 12, SP),
    sw(N3, 16, SP),
    sw(N4, 20, SP),
    lw(R0, 0, SUM),
    lw(R1, 4, SUM),
    lw(R2, 8, SUM),
    lw(R3, 12, SUM),
    lw(S1, 16, SUM),
    lw(S2, 20, SUM),
    lw(S3, 24, SUM),
    lw(TOP, 28, SUM),
    lw(H0, 32, SUM),
    lw(H1, 36, SUM),
    lw(H2, 40, SUM),
    lw(H3, 44, SUM),
    lw(H4, 48, SUM),
    addiu(ONE, ZERO, 1),
]);

/// One block, in the order of `portable::steps`. A 32-bit word joins the accumulator as its product with one.
const LOOP: Program = BEGIN
    .then(&load(M, 12, BLOCKS))
    .then(&[
        multu(H0, R3),
        maddu(H1, R2),
        maddu(H2, R1),
        maddu(H3, R0),
        maddu(H4, S3),
        maddu(M, ONE),
    ])
    .then(&[mflo(N3), mfhi(C)])
    .then(&[mul(M, H4, R0), addu(C, C, TOP), addu(C, C, M)])
    .then(&[andi(N4, C, 3), srl(M, C, 2), subu(C, C, N4), addu(C, C, M)])
    .then(&load(M, 0, BLOCKS))
    .then(&[
        multu(H0, R0),
        maddu(H1, S3),
        maddu(H2, S2),
        maddu(H3, S1),
        maddu(M, ONE),
        maddu(C, ONE),
    ])
    .then(&[mflo(N0), mfhi(C)])
    .then(&load(M, 4, BLOCKS))
    .then(&[
        multu(H0, R1),
        maddu(H1, R0),
        maddu(H2, S3),
        maddu(H3, S2),
        maddu(H4, S1),
        maddu(M, ONE),
        maddu(C, ONE),
    ])
    .then(&[mflo(N1), mfhi(C)])
    .then(&load(M, 8, BLOCKS))
    .then(&[
        multu(H0, R2),
        maddu(H1, R1),
        maddu(H2, R0),
        maddu(H3, S3),
        maddu(H4, S2),
        maddu(M, ONE),
        maddu(C, ONE),
    ])
    .then(&[mflo(H2), mfhi(C)])
    .then(&[addu(H3, N3, C), sltu(C, H3, C), addu(H4, N4, C)])
    .then(&[addiu(BLOCKS, BLOCKS, BLOCK as i16), copy(H0, N0)])
    .repeat(BLOCKS, END, BEGIN.length, copy(H1, N1));

const PROGRAM: Program = LOOP.then(&[
    sw(H0, 32, SUM),
    sw(H1, 36, SUM),
    sw(H2, 40, SUM),
    sw(H3, 44, SUM),
    sw(H4, 48, SUM),
    lw(ONE, 0, SP),
    lw(TOP, 4, SP),
    lw(N0, 8, SP),
    lw(N1, 12, SP),
    lw(N3, 16, SP),
    lw(N4, 20, SP),
    jr(RA),
    addiu(SP, SP, 24),
]);

#[unsafe(link_section = ".text.burstmesh_poly1305")]
static CODE: [u32; PROGRAM.length] = {
    let mut code = [0; PROGRAM.length];
    let mut i = 0;
    while i < code.len() {
        code[i] = PROGRAM.code[i];
        i += 1;
    }
    code
};

#[cfg(test)]
mod tests {
    use super::super::portable;
    use super::*;
    use proptest::prelude::*;

    fn limb() -> impl Strategy<Value = u32> {
        prop_oneof![any::<u32>(), Just(u32::MAX), Just(0)]
    }

    proptest! {
        #[test]
        fn the_machine_code_does_what_the_portable_steps_do(
            r in prop::array::uniform4(limb()),
            h in prop::array::uniform4(limb()),
            h4 in 0..=4u32,
            top in 0..=1u32,
            blocks in prop::collection::vec(any::<[u8; BLOCK]>(), 0..9),
        ) {
            let mut sum = Sum::new(r);
            sum.h = [h[0], h[1], h[2], h[3], h4];
            sum.top = top;
            let mut expected = sum.clone();
            portable::steps(&mut expected, &blocks);
            steps(&mut sum, &blocks);
            prop_assert_eq!(sum.h, expected.h);
        }
    }
}
