"""Step 3, tell the caller: outgoing requests that cannot be turned inwards, and webhooks made of them."""
