//! The command `roomkey`.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    roomkey::cli::main()
}
