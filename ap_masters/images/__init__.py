"""Images as bytes: read a header, read rows, write a master. Nothing here knows astronomy."""
