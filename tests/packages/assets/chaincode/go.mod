module example.com/assets

go 1.25.0
