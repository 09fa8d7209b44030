//! The room `crew`.
