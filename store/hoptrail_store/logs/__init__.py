"""What an MTA's log says of the mail that passed it: lines read, put together by queue id, and stored as messages."""
