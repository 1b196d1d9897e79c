"""Where providers put their files: ask for them, fetch them into the inbox."""
