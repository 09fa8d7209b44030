//! The room `lexicon`.
