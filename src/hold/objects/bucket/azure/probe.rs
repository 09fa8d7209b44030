//! The texts and checksums for the probe of a container.
//! Codes: <https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes>

use http::header::HeaderName;

use crate::objects::bucket::probe_plan::{Advice, ProbePlan, StepNames};

pub(super) static PLAN: ProbePlan = ProbePlan {
    // The MD5 of nothing, in base64.
    wrong_checksum: (HeaderName::from_static("content-md5"), "1B2M2Y8AsgTpgAmY7PhCfg=="),
    steps: StepNames {
        list: "list the container",
        part: "send a block (Put Block)",
        parts: "list the blocks of an upload (Get Block List)",
        complete: "commit the blocks of an upload (Put Block List)",
        copy: "copy an object (Copy Blob)",
    },
    advice: Advice {
        store: "Azure store",
        address: "AZURE_STORAGE_ACCOUNT_NAME (or AZURE_STORAGE_ENDPOINT)",
        all: "AZURE_STORAGE_ACCOUNT_NAME, AZURE_STORAGE_CONTAINER_NAME and AZURE_STORAGE_ENDPOINT",
        elsewhere: "AZURE_STORAGE_ENDPOINT",
        credentials: "set AZURE_STORAGE_ACCOUNT_KEY",
        not_allowed: "correct AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, and allow the account's keys \
                      and this machine's network in the account's settings",
        by_code: &[
            ("ContainerNotFound", "create the container, or correct AZURE_STORAGE_CONTAINER_NAME"),
            ("AuthenticationFailed", "correct AZURE_STORAGE_ACCOUNT_KEY, and check the clock of this machine"),
            ("KeyBasedAuthenticationNotPermitted", "allow access by the account's keys in its settings"),
            ("ContainerBeingDeleted", "the container is being deleted: take another name"),
        ],
    },
};
