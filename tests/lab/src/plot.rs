//! Plots as inline SVG.

use std::fmt::Write as _;

/// One plot: its size is fixed, its scales are given.
pub struct Plot {
    x_max: f64,
    y_max: f64,
    unit: &'static str,
    /// What the level scale counts.
    along: &'static str,
    body: String,
    moments: u32,
}

const WIDTH: f64 = 1100.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 26.0;

impl Plot {
    /// An empty plot from 0 to these ends; `unit` names the upright scale.
    pub fn new(x_max: f64, y_max: f64, unit: &'static str) -> Self {
        let (x_max, y_max) = (x_max.max(1.0), y_max.max(1.0));
        let mut plot = Self {
            x_max,
            y_max,
            unit,
            along: "s",
            body: String::new(),
            moments: 0,
        };
        plot.scales();
        plot
    }

    /// The level scale counts something else than seconds.
    pub fn per(mut self, along: &'static str) -> Self {
        self.along = along;
        self.body.clear();
        self.scales();
        self
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + (value / self.x_max).clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - (value / self.y_max).clamp(0.0, 1.0) * (HEIGHT - TOP - BOTTOM)
    }

    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.body.write_fmt(element);
        self.body.push('\n');
    }

    fn scales(&mut self) {
        for value in ticks(self.y_max) {
            let y = self.y(value);
            let (left, right) = (LEFT, WIDTH - RIGHT);
            self.add(format_args!(
                "<path class=grid d='M{left} {y:.1}H{right}'/>"
            ));
            self.add(format_args!(
                "<text x='{:.0}' y='{:.1}' text-anchor=end>{value}</text>",
                left - 6.0,
                y + 4.0
            ));
        }
        let along = self.along;
        for value in ticks(self.x_max) {
            let x = self.x(value);
            self.add(format_args!(
                "<text x='{x:.1}' y='{:.0}' text-anchor=middle>{value} {along}</text>",
                HEIGHT - 8.0
            ));
        }
    }

    /// A named stretch of time. `odd` shades every other one; the name stands in one of two rows.
    pub fn stretch(&mut self, (from, to): (f64, f64), name: &str, odd: bool) {
        let (x, width) = (self.x(from), self.x(to) - self.x(from));
        let (class, row) = if odd { ("odd", 12.0) } else { ("even", 26.0) };
        let height = HEIGHT - TOP - BOTTOM;
        self.add(format_args!(
            "<rect class={class} x='{x:.1}' y='{TOP}' width='{width:.1}' height='{height}'/>"
        ));
        // A name that begins far to the right would leave the plot.
        let (x, anchor) = if x > 0.75 * WIDTH {
            (x + width, "end")
        } else {
            (x, "start")
        };
        self.add(format_args!(
            "<text class=name x='{x:.1}' y='{row}' text-anchor={anchor}>{name}</text>"
        ));
    }

    /// The area between two lines of points (time, lower, upper).
    pub fn area(&mut self, points: &[(f64, f64, f64)], color: &str) {
        let forth = points.iter().map(|(t, _, upper)| (*t, *upper));
        let back = points.iter().rev().map(|(t, lower, _)| (*t, *lower));
        let path = self.path(forth.chain(back));
        self.add(format_args!("<path d='{path}Z' fill='{color}'/>"));
    }

    /// A line through points (time, value).
    pub fn line(&mut self, points: &[(f64, f64)], color: &str) {
        let path = self.path(points.iter().copied());
        self.add(format_args!(
            "<path d='{path}' fill=none stroke='{color}' stroke-width='1.2'/>"
        ));
    }

    fn path(&self, points: impl Iterator<Item = (f64, f64)>) -> String {
        let mut path = String::new();
        for (t, value) in points {
            let letter = if path.is_empty() { 'M' } else { 'L' };
            let _ = write!(path, "{letter}{:.1} {:.1}", self.x(t), self.y(value));
        }
        path
    }

    /// A level across the whole plot, with its name at the left.
    pub fn level(&mut self, value: f64, name: &str) {
        let y = self.y(value);
        let right = WIDTH - RIGHT;
        self.add(format_args!(
            "<path class=level d='M{LEFT} {y:.1}H{right}'/>"
        ));
        self.add(format_args!(
            "<text class=levelname x='{:.0}' y='{:.1}'>{name}</text>",
            LEFT + 4.0,
            y - 4.0
        ));
    }

    /// A moment, with what happened: to the left of the stroke, of every other one to the right.
    pub fn moment(&mut self, t: f64, what: &str) {
        let (x, bottom) = (self.x(t), HEIGHT - BOTTOM);
        self.moments += 1;
        let (anchor, at) = if self.moments % 2 == 1 {
            ("end", x - 4.0)
        } else {
            ("start", x + 4.0)
        };
        self.add(format_args!(
            "<path class=moment d='M{x:.1} {TOP}V{bottom}'/>\
             <text class=levelname x='{at:.1}' y='{:.0}' text-anchor={anchor}>{what}</text>",
            TOP + 11.0
        ));
    }

    /// A stroke at the bottom: something was lost.
    pub fn loss(&mut self, t: f64) {
        let (x, bottom) = (self.x(t), HEIGHT - BOTTOM);
        self.add(format_args!("<path class=loss d='M{x:.1} {bottom}v-8'/>"));
    }

    /// The finished element.
    pub fn finish(self) -> String {
        let unit = self.unit;
        format!(
            "<svg viewBox='0 0 {WIDTH} {HEIGHT}' role=img aria-label='{unit} over time'>\n{}\
             <text transform='translate(12 {:.0}) rotate(-90)' text-anchor=middle>{unit}</text>\n</svg>\n",
            self.body,
            (TOP + HEIGHT - BOTTOM) / 2.0,
        )
    }
}

/// Round numbers from 0 to `max`, four to ten of them.
fn ticks(max: f64) -> impl Iterator<Item = f64> {
    let power = 10f64.powf((max / 4.0).log10().floor());
    let step = [5.0, 2.0, 1.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|step| max / step >= 4.0);
    let step = step.unwrap_or(power);
    (0..)
        .map(move |number| f64::from(number) * step)
        .take_while(move |value| *value <= max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(
            ticks(66.0).collect::<Vec<_>>(),
            [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0]
        );
        for max in [1.0, 9.0, 55.0, 120.0, 199.0, 3000.0] {
            assert!((4..=11).contains(&ticks(max).count()), "{max}");
        }
    }

    #[test]
    fn what_is_off_the_scale_stays_inside_the_plot() {
        let plot = Plot::new(10.0, 10.0, "Mbit/s");
        assert!((plot.y(1e9) - TOP).abs() < 1e-9 && (plot.x(-5.0) - LEFT).abs() < 1e-9);
    }
}
