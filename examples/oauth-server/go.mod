module portcullis/examples/oauth-server

go 1.26.4
