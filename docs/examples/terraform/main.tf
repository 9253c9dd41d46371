# The rotation's stack by Terraform or OpenTofu, from what `make package BUCKET=…` has
# made. The template is over the 51,200 bytes that CloudFormation takes in a call, so it
# comes from S3, as the code does.

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "bucket" {
  description = "The bucket that make package was given as BUCKET, in the region of the stack."
  type        = string
}

variable "package" {
  description = "What make package has written."
  type        = string
  default     = "../../../build/package"
}

variable "secret_name" {
  type    = string
  default = "mautic-prod-secrets"
}

data "aws_s3_bucket" "package" {
  bucket = var.bucket
}

data "aws_secretsmanager_secret" "mautic" {
  name = var.secret_name
}

locals {
  template = "${var.package}/template.yaml"
}

resource "aws_s3_object" "code" {
  bucket      = var.bucket
  key         = regex("S3Key: (\\S+)", file(local.template))[0]
  source      = "${var.package}/function.zip"
  source_hash = filesha256("${var.package}/function.zip")
}

resource "aws_s3_object" "template" {
  bucket = var.bucket
  key    = "mautic-rotation-${filesha256(local.template)}.yaml"
  source = local.template
}

resource "aws_cloudformation_stack" "rotation" {
  name         = "mautic-secret-rotation-prod"
  template_url = "https://${data.aws_s3_bucket.package.bucket_regional_domain_name}/${aws_s3_object.template.key}"
  capabilities = ["CAPABILITY_IAM"]

  parameters = {
    FunctionName     = "mautic-rotation-prod"
    SecretArn        = data.aws_secretsmanager_secret.mautic.arn
    EcsCluster       = "mautic-prod-cluster"
    EcsService       = "mautic-prod-service"
    MauticUrl        = "https://mautic.example.com"
    SubnetIds        = "subnet-0123456789abcdef0,subnet-0123456789abcdef1"
    SecurityGroupIds = "sg-0123456789abcdef0"
    AlarmEmail       = "ops@example.com"
  }

  depends_on = [aws_s3_object.code]
}

output "function" {
  value = aws_cloudformation_stack.rotation.outputs["FunctionName"]
}
