//! Records → text: terminal table, Markdown, CSV. Pure: no clock, no store, no file system.
