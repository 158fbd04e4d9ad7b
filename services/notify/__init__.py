"""Messages to people: in the product, by e-mail, by SMS and to group robots; an outbox that loses nothing."""
