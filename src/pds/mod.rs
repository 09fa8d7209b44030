//! The room `pds`.
