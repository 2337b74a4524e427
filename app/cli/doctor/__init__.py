"""`doctor`: looks at every setting and every part, says what is wrong with it and what to do."""
