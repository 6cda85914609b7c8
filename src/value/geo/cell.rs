//! Cells: the map cut in halves again and again, east from west and north from south in turn, down to the 26th
//! step each way, where a cell is a position.

use super::{LATITUDE, LONGITUDE, Position};

/// How often each way a position's cell is cut out.
pub(super) const STEPS: u32 = 26;
const BITS: u32 = 2 * STEPS;

/// The digits of a geohash as the rest of the world writes it.
const DIGITS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";

/// A part of the map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    /// Which half was taken at each step: from the top the east-west one and the south-north one in turn.
    bits: u64,
    steps: u32,
}

/// From where to where a cell goes, in degrees.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edges {
    pub west: f64,
    pub east: f64,
    pub south: f64,
    pub north: f64,
}

impl Cell {
    /// The cell of a position, after so many steps.
    pub(super) fn of(position: Position, steps: u32) -> Self {
        Self::on_map(position, steps, LATITUDE)
    }

    /// The smallest cell of a position.
    pub(crate) fn of_position(position: Position) -> Self {
        Self::of(position, STEPS)
    }

    /// The smallest cell with this score, which may be any number: as a 64-bit processor turns one into an integer
    /// without sign.
    pub(crate) fn of_score(score: f64) -> Self {
        const HALF: f64 = (1_u64 << 63) as f64;
        let signed = |number: f64| if (-HALF..HALF).contains(&number) { number as i64 } else { i64::MIN };
        let bits = if score < HALF { signed(score) as u64 } else { signed(score - HALF) as u64 ^ 1 << 63 };
        Cell { bits, steps: STEPS }
    }

    /// The score of a position in the cell.
    pub(crate) fn score(self) -> f64 {
        self.scores().0
    }

    /// The scores of all positions in the cell: from the first up to the second, which lies beyond it.
    pub(crate) fn scores(self) -> (f64, f64) {
        let shift = BITS - 2 * self.steps;
        ((self.bits << shift) as f64, (self.bits.wrapping_add(1) << shift) as f64)
    }

    /// The middle of the cell.
    pub(crate) fn center(self) -> Position {
        let Edges { west, east, south, north } = self.edges();
        Position { longitude: (west + east) / 2.0, latitude: (south + north) / 2.0 }.clamped()
    }

    pub(super) fn edges(self) -> Edges {
        let cells = (1_u64 << self.steps) as f64;
        let place = |at: u32, most: f64| -most + f64::from(at) / cells * (most - -most);
        let (x, y) = (every_other(self.bits >> 1), every_other(self.bits));
        Edges {
            west: place(x, LONGITUDE),
            east: place(x.wrapping_add(1), LONGITUDE),
            south: place(y, LATITUDE),
            north: place(y.wrapping_add(1), LATITUDE),
        }
    }

    /// The cell so many cells to the east and to the north; the map has no end.
    pub(super) fn moved(self, east: i32, north: i32) -> Self {
        let mask = (1_u64 << self.steps) as u32 - 1;
        let moved = |at: u32, by: i32| if by == 0 { at } else { at.wrapping_add_signed(by) & mask };
        let (x, y) = (every_other(self.bits >> 1), every_other(self.bits));
        Cell { bits: spread(moved(x, east)) << 1 | spread(moved(y, north)), steps: self.steps }
    }

    /// The geohash of the cell's middle as the rest of the world writes it: eleven digits, of which the last is
    /// always a zero. That counts the latitudes from pole to pole.
    pub(crate) fn geohash(self) -> String {
        let bits = Self::on_map(self.center(), STEPS, 90.0).bits;
        let digit = |at: u32| match (BITS).checked_sub(5 * (at + 1)) {
            Some(shift) => (bits >> shift & 31) as usize,
            None => 0,
        };
        (0..11).map(|at| char::from(DIGITS[digit(at) % DIGITS.len()])).collect()
    }

    /// The cell of a position on a map that ends at a latitude. One at the very end is beyond the last cell.
    fn on_map(position: Position, steps: u32, north: f64) -> Self {
        let cells = (1_u64 << steps) as f64;
        let place = |degrees: f64, most: f64| ((degrees - -most) / (most - -most) * cells) as u32;
        let (x, y) = (place(position.longitude, LONGITUDE), place(position.latitude, north));
        Cell { bits: spread(x) << 1 | spread(y), steps }
    }
}

/// The bits of a number with a zero in front of each.
fn spread(bits: u32) -> u64 {
    const MASKS: [(u32, u64); 5] = [
        (16, 0x0000_ffff_0000_ffff),
        (8, 0x00ff_00ff_00ff_00ff),
        (4, 0x0f0f_0f0f_0f0f_0f0f),
        (2, 0x3333_3333_3333_3333),
        (1, 0x5555_5555_5555_5555),
    ];
    MASKS.iter().fold(bits.into(), |bits, (shift, mask)| (bits | bits << shift) & mask)
}

/// Every other bit of a number, the last among them: what [`spread`] has spread.
fn every_other(bits: u64) -> u32 {
    const MASKS: [(u32, u64); 5] = [
        (1, 0x3333_3333_3333_3333),
        (2, 0x0f0f_0f0f_0f0f_0f0f),
        (4, 0x00ff_00ff_00ff_00ff),
        (8, 0x0000_ffff_0000_ffff),
        (16, 0x0000_0000_ffff_ffff),
    ];
    let bits = bits & 0x5555_5555_5555_5555;
    MASKS.iter().fold(bits, |bits, (shift, mask)| (bits | bits >> shift) & mask) as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_position_lies_in_its_cells(
            longitude in -180.0..180.0_f64, latitude in -85.0..85.0_f64, steps in 1..=STEPS,
        ) {
            let position = Position { longitude, latitude };
            let (cell, smallest) = (Cell::of(position, steps), Cell::of_position(position));
            let Edges { west, east, south, north } = cell.edges();
            prop_assert!(west <= longitude && longitude < east && south <= latitude && latitude < north);
            let (least, end) = cell.scores();
            prop_assert!(least <= smallest.score() && smallest.score() < end);
            prop_assert_eq!(Cell::of_score(smallest.score()), smallest);
            prop_assert!(position.meters_to(smallest.center()) < 1.0);
        }

        #[test]
        fn neighbours_meet_and_there_is_a_way_back(
            longitude in -180.0..180.0_f64, latitude in -85.0..85.0_f64, steps in 1..=STEPS,
            (east, north) in (-1..2_i32, -1..2_i32),
        ) {
            let cell = Cell::of(Position { longitude, latitude }, steps);
            prop_assert_eq!(cell.moved(east, north).moved(-east, -north), cell);
            let (here, there) = (cell.edges(), cell.moved(1, 0).edges());
            prop_assert!(here.east == there.west || (here.east == 180.0 && there.west == -180.0));
        }

        #[test]
        fn any_score_is_a_position(bits in any::<u64>()) {
            let score = f64::from_bits(bits);
            let cell = Cell::of_score(if score.is_nan() { f64::INFINITY } else { score });
            prop_assert!(cell.center().is_valid() && cell.geohash().len() == 11);
        }

        #[test]
        fn what_is_spread_comes_together(bits in any::<u32>()) {
            prop_assert_eq!(every_other(spread(bits)), bits);
            prop_assert_eq!(spread(bits) & 0xaaaa_aaaa_aaaa_aaaa, 0);
        }
    }

    #[test]
    fn geohashes_are_those_of_the_world() {
        let geohash = |longitude, latitude| Cell::of_position(Position { longitude, latitude }).geohash();
        assert_eq!(geohash(13.361389, 38.115556), "sqc8b49rny0");
        assert_eq!(geohash(15.087269, 37.502669), "sqdtr74hyu0");
    }
}
