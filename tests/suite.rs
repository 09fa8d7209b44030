//! Every test that needs more than one unit: one binary, one file a topic in `suite/`.

#[cfg(test)]
mod suite {
    mod connection;
    mod daemon;
}
