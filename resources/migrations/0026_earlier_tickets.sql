-- What a customer asked before is shown beside each case: found by who asked, not by reading every ticket.

create index tickets_of_requester on tickets (automation, source, requester_id) where requester_id is not null;
create index tickets_of_customer on tickets (automation, source, customer_id) where customer_id is not null;
