//! The rows of a table that were reached, one bit a row, so that memory stays small for any repository.

use std::collections::BTreeMap;

const PAGE_BITS: i64 = 32 * 1024;
const PAGE_WORDS: usize = 512;

/// A set of row numbers. A page of 4 KiB has 32,768 neighbouring numbers, so large gaps take no memory.
#[derive(Default)]
pub(super) struct VisitedRows {
    pages: BTreeMap<i64, Box<[u64; PAGE_WORDS]>>,
    count: u64,
}

impl VisitedRows {
    /// Adds a number.
    pub(super) fn add(&mut self, number: i64) {
        let page = self.pages.entry(number.div_euclid(PAGE_BITS)).or_insert_with(|| Box::new([0; PAGE_WORDS]));
        let (word, bit) = place(number);
        self.count += u64::from(page[word] & bit == 0);
        page[word] |= bit;
    }

    /// Whether a number was added.
    pub(super) fn has(&self, number: i64) -> bool {
        let (word, bit) = place(number);
        self.pages.get(&number.div_euclid(PAGE_BITS)).is_some_and(|page| page[word] & bit != 0)
    }

    /// Returns the number of distinct numbers added.
    pub(super) fn count(&self) -> u64 {
        self.count
    }
}

/// Returns the word within the page, and the bit within the word.
fn place(number: i64) -> (usize, u64) {
    let within = number.rem_euclid(PAGE_BITS);
    (usize::try_from(within / 64).unwrap_or_default(), 1 << (within % 64))
}

#[cfg(test)]
mod tests {
    use super::VisitedRows;

    #[test]
    fn numbers_are_told_apart() {
        let mut visited = VisitedRows::default();
        let numbers = [i64::MIN, -1, 0, 1, 63, 64, 32_767, 32_768, 1 << 40, i64::MAX];
        numbers.iter().chain(&numbers).for_each(|number| visited.add(*number));
        assert!(numbers.iter().all(|number| visited.has(*number)));
        assert!([-2, 2, 62, 65, 32_766, 32_769].iter().all(|number| !visited.has(*number)));
        assert_eq!(visited.count(), 10);
    }
}
