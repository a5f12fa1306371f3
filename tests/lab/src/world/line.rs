//! What a line does to datagrams: a drop-tail queue, a rate, losses single or in bursts, a delay with jitter.

use super::random;

/// One access line, both directions of it.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    pub up: Direction,
    pub down: Direction,
    /// Swallows everything, and nobody is told.
    pub silent: bool,
    /// How often the NAT has forgotten its mappings.
    pub rebinds: u16,
    /// Others may use it.
    pub lend: bool,
}

/// Losses that come in bursts (Gilbert and Elliott): a good and a bad state, in which everything is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bursts {
    /// Of a million datagrams so many begin a burst.
    pub begin_ppm: u64,
    /// Of a million datagrams in a burst so many end it.
    pub end_ppm: u64,
}

impl Bursts {
    /// So many of a million are lost, so many in a row on average.
    pub const fn mean(loss_ppm: u64, length: u64) -> Self {
        let end_ppm = 1_000_000 / length;
        Self {
            begin_ppm: end_ppm * loss_ppm / (1_000_000 - loss_ppm),
            end_ppm,
        }
    }
}

/// One direction of a line, or the whole of a mesh channel.
#[derive(Clone, Copy, Debug)]
pub struct Direction {
    /// Bytes per second of IP.
    pub rate: u64,
    /// One way, us.
    pub delay: u64,
    /// Each delay is drawn evenly from `delay - jitter ..= delay + jitter`, without passing an earlier datagram.
    pub jitter: u64,
    /// Bytes that may wait.
    pub queue: u64,
    /// Of a million datagrams so many are lost.
    pub loss_ppm: u64,
    pub bursts: Bursts,
    /// Bytes carried, datagrams that found the queue full, and those that were lost.
    pub carried: u64,
    pub dropped: u64,
    pub lost: u64,
    in_burst: bool,
    free: u64,
    /// What dividing left of the time that datagrams take, us times the rate: on a fast line that is percents.
    rest: u64,
    last: u64,
}

impl Direction {
    /// A queue of 100 ms, as peers and the namespace lab have it.
    pub fn new(rate: u64, delay: u64) -> Self {
        Self {
            rate,
            delay,
            jitter: 0,
            queue: (rate / 10).max(16_000),
            loss_ppm: 0,
            bursts: Bursts::default(),
            carried: 0,
            dropped: 0,
            lost: 0,
            in_burst: false,
            free: 0,
            rest: 0,
            last: 0,
        }
    }

    /// Another rate from `now` on, for what waits as well. The queue's bytes stay.
    pub fn set_rate(&mut self, now: u64, rate: u64) {
        let waiting = self.free.saturating_sub(now);
        self.free = now.max(self.free - waiting) + waiting * self.rate / rate;
        self.rate = rate;
    }

    /// How long a datagram that came now would wait, us.
    pub fn backlog_us(&self, now: u64) -> u64 {
        self.free.saturating_sub(now)
    }

    /// When `bytes` that begin to queue now arrive; `None` if they do not. What is lost has used its time all the same.
    pub fn carry(&mut self, now: u64, bytes: u64, dice: &mut u64) -> Option<u64> {
        let time = bytes * 1_000_000 + self.rest;
        self.rest = time % self.rate;
        self.take(now, bytes, time / self.rate, dice)
    }

    /// The same where sending takes `busy` us.
    pub fn take(&mut self, now: u64, bytes: u64, busy: u64, dice: &mut u64) -> Option<u64> {
        let start = self.free.max(now);
        if (start - now) * self.rate / 1_000_000 > self.queue {
            self.dropped += 1;
            return None;
        }
        self.free = start + busy;
        if self.is_lost(dice) {
            self.lost += 1;
            return None;
        }
        self.carried += bytes;
        let drawn = if self.jitter > 0 {
            random(dice) % (2 * self.jitter)
        } else {
            0
        };
        let due = (self.free + self.delay + drawn).saturating_sub(self.jitter);
        self.last = self.last.max(due).max(self.free);
        Some(self.last)
    }

    fn is_lost(&mut self, dice: &mut u64) -> bool {
        let mut happens = |ppm: u64| ppm > 0 && random(dice) % 1_000_000 < ppm;
        let turn = if self.in_burst {
            self.bursts.end_ppm
        } else {
            self.bursts.begin_ppm
        };
        self.in_burst ^= happens(turn);
        happens(self.loss_ppm) || self.in_burst
    }
}

impl Line {
    /// So many Mbit/s and milliseconds each way.
    pub fn mbit(rate: u64, delay_ms: u64) -> Self {
        Self::unlike(rate, rate, delay_ms)
    }

    /// Unlike rates up and down.
    pub fn unlike(up: u64, down: u64, delay_ms: u64) -> Self {
        Self {
            up: Direction::new(up * 125_000, delay_ms * 1_000),
            down: Direction::new(down * 125_000, delay_ms * 1_000),
            silent: false,
            rebinds: 0,
            lend: true,
        }
    }

    /// Changes both directions.
    pub fn both(&mut self, mut change: impl FnMut(&mut Direction)) {
        change(&mut self.up);
        change(&mut self.down);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Offers full datagrams at `offered` bytes per second for ten seconds; gives the arrivals.
    fn offer(d: &mut Direction, offered: u64) -> Vec<u64> {
        let (mut dice, mut arrivals) = (1, Vec::new());
        let gap = 1_500 * 1_000_000 / offered;
        for i in 0..10_000_000 / gap {
            arrivals.extend(d.carry(i * gap, 1_500, &mut dice));
        }
        arrivals
    }

    #[test]
    fn it_carries_its_rate_and_drops_the_rest() {
        let mut d = Direction::new(2_500_000, 10_000);
        let got = offer(&mut d, 5_000_000);
        let rate = got.len() as u64 * 1_500 / 10;
        assert!((2_500_000..2_550_000).contains(&rate), "{rate}");
        assert!(d.dropped > 0 && d.lost == 0);
    }

    #[test]
    fn jitter_moves_arrivals_within_its_bounds_and_keeps_their_order() {
        let mut d = Direction::new(2_500_000, 100_000);
        d.jitter = 10_000;
        let got = offer(&mut d, 100_000);
        assert!(got.windows(2).all(|w| w[0] <= w[1]));
        let delays = got.iter().enumerate().map(|(i, at)| at - i as u64 * 15_000);
        let (least, most) = (delays.clone().min().unwrap(), delays.max().unwrap());
        assert!((90_000..94_000).contains(&least) && (107_000..111_000).contains(&most));
    }

    #[test]
    fn single_losses_come_at_their_rate() {
        let mut d = Direction::new(125_000_000, 0);
        d.loss_ppm = 10_000;
        offer(&mut d, 15_000_000);
        assert!((800..1_200).contains(&d.lost), "{} of 100000", d.lost);
    }

    #[test]
    fn bursts_have_their_mean_loss_and_length() {
        let mut d = Direction::new(125_000_000, 0);
        d.bursts = Bursts::mean(10_000, 5);
        let (mut dice, mut lost, mut bursts, mut before) = (1, 0u32, 0u32, false);
        let datagrams = 1_000_000;
        for i in 0..datagrams {
            let now = d.carry(i * 100, 1_500, &mut dice).is_none();
            lost += u32::from(now);
            bursts += u32::from(now && !before);
            before = now;
        }
        let (loss, length) = (f64::from(lost) / 1e6, f64::from(lost) / f64::from(bursts));
        assert!((0.0095..0.0105).contains(&loss), "{loss}");
        assert!((4.7..5.3).contains(&length), "{length}");
    }

    #[test]
    fn what_waits_leaves_at_the_new_rate() {
        let (mut d, mut dice) = (Direction::new(1_000_000, 0), 1);
        (0..10).for_each(|_| assert!(d.carry(0, 1_000, &mut dice).is_some()));
        assert_eq!(d.backlog_us(0), 10_000);
        d.set_rate(0, 500_000);
        assert_eq!(d.backlog_us(0), 20_000);
    }
}
