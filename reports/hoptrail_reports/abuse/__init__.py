"""Cases folded from spam and the drafts a person reviews; nothing here sends mail."""
