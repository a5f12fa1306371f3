//! How lines and mesh divide what they carry: max-min, with every part growing until something of it is full.

/// One borrower's use of a line in one direction, or the owner's beside it.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    pub borrower: usize,
    pub lender: usize,
    pub way: usize,
    /// The most it may have, bit/s.
    pub most: f64,
    /// What the hop over the mesh carries alone; none for the owner.
    pub hop: f64,
    /// Whose air it takes.
    pub blocks: [usize; 2],
    /// What it gets.
    pub rate: f64,
}

const LITTLE: f64 = 1.0;

/// Divides. `lines`: what is left of each line, by direction.
pub fn divide(parts: &mut [Part], lines: &mut [[f64; 2]], blocks: usize) {
    let mut air = vec![1.0f64; blocks];
    let mut open: Vec<usize> = (0..parts.len()).collect();
    while !open.is_empty() {
        let mut weight = vec![0.0f64; blocks];
        let mut count = vec![[0.0f64; 2]; lines.len()];
        for part in open.iter().map(|n| &parts[*n]) {
            count[part.lender][part.way] += 1.0;
            each_block(part, |block| weight[block] += 1.0 / part.hop);
        }
        let room = |part: &Part| {
            let mut room = (part.most - part.rate)
                .min(lines[part.lender][part.way] / count[part.lender][part.way]);
            each_block(part, |block| room = room.min(air[block] / weight[block]));
            room
        };
        let step = open
            .iter()
            .map(|n| room(&parts[*n]))
            .fold(f64::INFINITY, f64::min)
            .max(0.0);
        for n in &open {
            parts[*n].rate += step;
            let part = parts[*n];
            lines[part.lender][part.way] -= step;
            each_block(&part, |block| air[block] -= step / part.hop);
        }
        let full = |part: &Part| {
            let mut full = part.most - part.rate < LITTLE || lines[part.lender][part.way] < LITTLE;
            each_block(part, |block| full |= air[block] < 1e-9);
            full
        };
        let before = open.len();
        open.retain(|n| !full(&parts[*n]));
        if open.len() == before {
            break;
        }
    }
}

fn each_block(part: &Part, mut f: impl FnMut(usize)) {
    if part.hop.is_finite() {
        let [a, b] = part.blocks;
        f(a);
        if b != a {
            f(b);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(borrower: usize, lender: usize, most: f64, hop: f64) -> Part {
        Part {
            borrower,
            lender,
            way: 1,
            most,
            hop,
            blocks: [0, 0],
            rate: 0.0,
        }
    }

    #[test]
    fn borrowers_share_a_line_evenly_and_what_one_may_not_use_is_the_others() {
        let mut parts = [part(0, 2, 4e6, 1e9), part(1, 2, 1e9, 1e9)];
        divide(&mut parts, &mut [[0.0; 2], [0.0; 2], [0.0, 20e6]], 1);
        assert!((parts[0].rate - 4e6).abs() < 10.0 && (parts[1].rate - 16e6).abs() < 10.0);
    }

    #[test]
    fn the_air_of_a_block_is_one_for_all_its_hops() {
        let mut parts = [part(0, 1, 1e9, 100e6), part(1, 0, 1e9, 50e6)];
        divide(&mut parts, &mut [[0.0, 200e6]; 2], 1);
        let air: f64 = parts.iter().map(|p| p.rate / p.hop).sum();
        assert!((air - 1.0).abs() < 1e-6, "{air}");
    }
}
