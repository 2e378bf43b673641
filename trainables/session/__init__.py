"""What a trial and its driver exchange: messages, failures, ranks, memory."""
