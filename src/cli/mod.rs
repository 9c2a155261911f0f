//! The command line: arguments → configuration → one file per subcommand.
