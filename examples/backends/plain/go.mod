module example.com/roomkey-backend

go 1.22
