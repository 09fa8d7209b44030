//! The room `repo`.
