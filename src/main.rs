//! The `parserd` program: arguments to command, exit code.

use std::process::ExitCode;

use parserd::cli::{self, Cli, Exit};

fn main() -> ExitCode {
    let cli = Cli::from_args(std::env::args_os());
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            let error = anyhow::Error::new(error).context("cannot start the runtime");
            return Exit::report(&error).into();
        }
    };
    runtime.block_on(cli::run(cli)).into()
}
